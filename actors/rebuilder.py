"""The rebuilder: makes projections' rows anew while the runtime serves.

The replay goes into a scratch database, page by page, with the connections that read: commands, projectors and reads
go on. Then one projector after the other swaps its rows between two of its batches, after the last few events were
replayed on the write lane. One rebuild runs at a time, because there is one scratch database; a further one waits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import peewee
from anyio.to_thread import run_sync

from ..persistence.bootstrap import PAGE_EVENTS, ProgressListener, ReplayProgress, ReplayRequest, replay_to_head
from ..persistence.failures import translate_errors
from ..persistence.projections import Projection
from ..persistence.readers import ReaderPool
from ..persistence.rebuild import replay_and_swap, scratch_database
from ..runtime.contracts.errors import MailboxClosed
from .event_log import EventLog
from .projector import Projector
from .projectors import Projectors

LAST_EVENTS: Final = 200
"""How many published events may be left to replay on the write lane, where commands wait for them."""


class Rebuilder:
    """Rebuilds projections of an open database at `path`."""

    def __init__(self, projectors: Projectors, log: EventLog, readers: ReaderPool, *, path: Path) -> None:
        self._projectors = projectors
        self._log = log
        self._readers = readers
        self._path = path
        self._turn = anyio.Lock()

    async def rebuild(self, names: Collection[str] = (), *, progress: ProgressListener | None = None) -> None:
        """Make the rows of these projectors anew, of all by default; see `Runtime.rebuild`."""
        projectors = self._projectors.named(names)
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
        stalled = await self._readers.run(lambda database: replay_to_head(scratch, request, source=database))
        if stalled:
            raise stalled[0]

    def _check_open(self) -> None:
        if self._log.has_ended:
            raise MailboxClosed("the runtime is stopping and rebuilds no more")

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[peewee.SqliteDatabase]:
        scratch = scratch_database(self._path)
        database = await run_sync(scratch.__enter__)
        try:
            yield database
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(scratch.__exit__, None, None, None)


async def _replace(projector: Projector, scratch: peewee.SqliteDatabase) -> None:
    def swap(database: peewee.SqliteDatabase, up_to: int) -> None:
        replay_and_swap(database, scratch, ReplayRequest(projections=[projector.projection], up_to=up_to))

    await projector.replace_rows(swap)
