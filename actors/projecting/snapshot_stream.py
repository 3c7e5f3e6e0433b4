"""A snapshot that is read while it is iterated: everything, in the memory of a few threads.

It is one cut, because all of it is read in one read transaction, held from its first read to the end of the block.
While it is held, SQLite cannot reuse the space of its WAL: iterate it, do not keep it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import peewee

from ...contracts.ids import ThreadId
from ...contracts.read_model import ProjectView, ThreadView
from ...contracts.values import Instant
from ...persistence.readers import PinnedReader
from ...persistence.snapshot import SnapshotOutline, read_thread

THREADS_AT_ONCE: Final = 16
"""How many threads one read brings."""


class SnapshotStream:
    """An asynchronous iterator over the threads of a snapshot, in its order. Belongs to one task."""

    def __init__(self, pinned: PinnedReader, outline: SnapshotOutline) -> None:
        self._pinned = pinned
        self._outline = outline
        self._unread = deque(outline.thread_ids)
        self._read: deque[ThreadView] = deque()

    @property
    def snapshot_sequence(self) -> int:
        """The last event that the snapshot shows."""
        return self._outline.cut.last_applied_sequence

    @property
    def updated_at(self) -> Instant:
        return Instant(self._outline.cut.updated_at)

    @property
    def projects(self) -> tuple[ProjectView, ...]:
        return self._outline.projects

    def __aiter__(self) -> SnapshotStream:
        return self

    async def __anext__(self) -> ThreadView:
        if not self._read:
            if not self._unread:
                raise StopAsyncIteration
            page = [self._unread.popleft() for _ in range(min(THREADS_AT_ONCE, len(self._unread)))]
            self._read.extend(await self._pinned.run(lambda database: self._read_threads(database, page)))
        return self._read.popleft()

    def _read_threads(self, database: peewee.SqliteDatabase, thread_ids: list[ThreadId]) -> list[ThreadView]:
        return [read_thread(database, thread_id, self._outline.cut) for thread_id in thread_ids]
