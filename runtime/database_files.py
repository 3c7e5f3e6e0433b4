"""The files of one runtime while it opens: its lock, and the connection that writes.

`open` and `close` run on the thread that will be the write lane, in this order, so that the lock is released when
nothing writes any more, whatever has become of those who waited for it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import attrs
import peewee

from ..actors.detached_task import interruption_in
from ..contracts.errors import RuntimeStopped
from ..persistence.bootstrap import ReplayProgress, ReplayRequest, check_positions, replay_to_head
from ..persistence.command_group import CommandGroup
from ..persistence.database import database_path, prepare
from ..persistence.decision_states import DECISION_PROJECTORS, DecisionStates
from ..persistence.failures import translate_errors
from ..persistence.lane import interrupt
from ..persistence.ownership import DatabaseLock
from ..persistence.positions import PositionRow, read_positions
from ..persistence.projections import PROJECTIONS
from ..persistence.rebuild import drop_left_scratch, outdated_projections, rebuild, record_versions
from .options import RuntimeOptions


@attrs.frozen(kw_only=True)
class PreparedDatabase:
    """What was made ready: the database, and the states and positions read from it."""

    writer: peewee.SqliteDatabase
    group: CommandGroup
    positions: dict[str, PositionRow]


_logger = logging.getLogger(__name__)


class DatabaseFiles:
    """Belongs to one thread, but for `interrupt`."""

    def __init__(self, database: str | Path, options: RuntimeOptions) -> None:
        self._database = database
        self._options = options
        self._lock: DatabaseLock | None = None
        self._writer: peewee.SqliteDatabase | None = None
        self._is_interrupted = False
        self._progress_failed = False

    def open(self) -> PreparedDatabase:
        """Take the lock, migrate, check positions, rebuild what another version wrote, bring projections to the head.

        Raises what `open_runtime` raises; what was taken is released by `close`.
        """
        path = database_path(self._database)
        lock = DatabaseLock(path, since=self._options.mint.now())
        lock.acquire()
        self._lock = lock
        options = self._options
        writer = self._writer = prepare(path, options.mint.now())
        with translate_errors(path):
            drop_left_scratch(path)
            check_positions(writer, PROJECTIONS)
            outdated = outdated_projections(writer, PROJECTIONS)
            if outdated:
                rebuild(writer, ReplayRequest(projections=outdated, progress=self._progress))
            record_versions(writer, PROJECTIONS)
            stalled = replay_to_head(writer, ReplayRequest(projections=PROJECTIONS, progress=self._progress))
        for one in stalled:
            if one.projector in DECISION_PROJECTORS:
                raise one
        states = DecisionStates(writer, limit=options.loaded_threads)
        return PreparedDatabase(
            writer=writer,
            group=CommandGroup(writer, states, options.mint, durability=options.durability),
            positions=read_positions(writer),
        )

    def close(self) -> None:
        """Close the connection and release the lock."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def interrupt(self) -> None:
        """Make `open` give up soon: between two pages of a replay, or in the statement that runs. For any thread."""
        self._is_interrupted = True
        if self._writer is not None:
            interrupt(self._writer)

    def _progress(self, progress: ReplayProgress) -> None:
        if self._is_interrupted:
            raise RuntimeStopped("the host has left while the runtime opened")
        if self._options.progress is None or self._progress_failed:
            return
        try:
            self._options.progress(progress)
        except BaseException as error:
            if interruption_in(error) is not None:
                raise
            self._progress_failed = True
            _logger.exception("the progress listener failed and is not called again", extra={"actor": "runtime"})
