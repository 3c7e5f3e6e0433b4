"""The rebuilder: rebuilds projections' rows while the runtime serves.

The replay goes into a scratch database, page by page, on a thread of its own with a connection that reads: commands,
projectors and reads go on. Then one projector after the other swaps its rows between two of its batches, after the last
few events were replayed on the write lane. One rebuild runs at a time, because there is one scratch database; a further
one waits.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import peewee

from ...contracts.errors import RuntimeStopped
from ...persistence.bootstrap import PAGE_EVENTS, ProgressListener, ReplayProgress, ReplayRequest, replay_to_head
from ...persistence.database import open_reader
from ...persistence.failures import translate_errors
from ...persistence.projections import Projection
from ...persistence.rebuild import replay_and_swap, scratch_database
from ...persistence.threads import JobThread
from ..detached_task import DetachedTask, more_severe, wait_through
from ..log.event_log import EventLog
from ..shields import shield
from .projector import Projector
from .projectors import Projectors

LAST_EVENTS: Final = 200
"""How many published events may be left to replay on the write lane, where commands wait for them."""


class Rebuilder:
    """Rebuilds projections of an open database at `path`."""

    def __init__(self, projectors: Projectors, log: EventLog, *, path: Path) -> None:
        self._projectors = projectors
        self._log = log
        self._path = path
        self._turn = anyio.Lock()
        self._thread: JobThread | None = None
        self._is_closed = False
        self._scratches: list[AbstractContextManager[peewee.SqliteDatabase]] = []

    async def rebuild(self, names: Collection[str] = (), *, progress: ProgressListener | None = None) -> None:
        """Rebuild the rows of these projectors, of all by default; see `Runtime.rebuild`.

        It runs in a task apart: what it has begun comes to an end, however its caller is cancelled.
        """
        projectors = self._projectors.named(names)
        rebuilding = DetachedTask(lambda: self._rebuild(projectors, progress), name="rebuild")
        try:
            await rebuilding.ended.wait()
        except BaseException as interruption:
            rebuilding.cancel()
            raise (
                more_severe(interruption, await wait_through(rebuilding.ended, until=math.inf)) or interruption
            ) from None
        if rebuilding.was_cut:
            raise RuntimeStopped("the task of the rebuild was cancelled from outside the runtime")
        rebuilding.result()

    async def _rebuild(self, projectors: Sequence[Projector], progress: ProgressListener | None) -> None:
        async with self._turn:
            self._check_open()
            with translate_errors(self._path):
                async with self._scratch() as scratch:
                    await self._replay(scratch, [one.projection for one in projectors], progress)
                    for projector in projectors:
                        self._check_open()
                        await _replace(projector, scratch)

    async def finished(self) -> None:
        """Wait until no rebuild is under way. Once the log has ended, those under way end soon and none begins."""
        async with self._turn:
            return

    def close(self) -> None:
        """Stop rebuilding and release what a rebuild holds. Does not wait; may be repeated."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.end(self._drop_scratch)

    async def closed(self) -> None:
        """Wait until `close` has been done."""
        if self._thread is not None:
            await self._thread.ended()

    async def _replay(
        self, scratch: peewee.SqliteDatabase, projections: Sequence[Projection], progress: ProgressListener | None
    ) -> None:
        """Replay published events into the scratch database until few are left."""
        applied = 0
        while True:
            applied = min(applied + PAGE_EVENTS, self._log.head)
            await self._replay_page(scratch, ReplayRequest(projections=projections, up_to=applied))
            if progress is not None:
                progress(ReplayProgress(applied, self._log.head))
                await anyio.lowlevel.checkpoint()
            self._check_open()
            if self._log.head - applied <= LAST_EVENTS:
                return

    async def _replay_page(self, scratch: peewee.SqliteDatabase, request: ReplayRequest) -> None:
        def replay() -> None:
            source = open_reader(self._path)
            try:
                stalled = replay_to_head(scratch, request, source=source)
            finally:
                source.close()
            if stalled:
                raise stalled[0]

        await self._on_thread.run(replay)

    @property
    def _on_thread(self) -> JobThread:
        """The thread of the scratch database. What one rebuild does there ends before the next one begins."""
        if self._thread is None:
            self._thread = JobThread("orchestrion-rebuild")
        return self._thread

    def _check_open(self) -> None:
        if self._log.has_ended or self._is_closed:
            raise RuntimeStopped("the runtime is stopping and rebuilds no more")

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[peewee.SqliteDatabase]:
        thread = self._on_thread
        try:
            yield await thread.run(self._open_scratch)
        finally:
            with shield(), suppress(RuntimeStopped):  # closed, the thread drops the scratch database as its last job
                await thread.run(self._drop_scratch)

    def _open_scratch(self) -> peewee.SqliteDatabase:
        scratch = scratch_database(self._path)
        database = scratch.__enter__()
        self._scratches.append(scratch)
        return database

    def _drop_scratch(self) -> None:
        while self._scratches:
            self._scratches.pop().__exit__(None, None, None)


async def _replace(projector: Projector, scratch: peewee.SqliteDatabase) -> None:
    def swap(database: peewee.SqliteDatabase, up_to: int) -> None:
        replay_and_swap(database, scratch, ReplayRequest(projections=[projector.projection], up_to=up_to))

    await projector.replace_rows(swap)
