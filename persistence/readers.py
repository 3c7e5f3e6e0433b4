"""Connections that read: a fixed number, each used by one job at a time, none of them ever waiting for the writer.

Each connection has a thread of its own, on which its jobs run in order. So a reader that is cancelled, by whatever
means and however often, leaves nothing half done: what ends its transaction comes after what it was reading, and before
what the next reader asks. What SQLite raises in a job leaves as a `StoreError`. Closed, the pool opens no connection
any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import anyio
import peewee

from ..contracts.errors import RuntimeStopped
from .database import open_reader
from .failures import translate_errors
from .lane import interrupt
from .threads import JobThread

T = TypeVar("T")


class ReaderPool:
    """Runs reads on threads of its own, at most `size` at once; a further one waits for a free connection."""

    def __init__(self, path: Path, *, size: int) -> None:
        self._path = path
        self._limiter = anyio.CapacityLimiter(size)
        self._idle: list[_Reader] = []
        self._all: list[_Reader] = []
        self._closed = False

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._path

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        """Run `job` with a reading connection. A caller that is cancelled abandons the answer, and interrupts the read.

        Raises:
            RuntimeStopped: the pool is closed.
            StoreError: the file cannot be read.
        """
        async with self._reader() as reader:
            return await reader.run(job)

    @asynccontextmanager
    async def pinned(self, first: Callable[[peewee.SqliteDatabase], T]) -> AsyncIterator[tuple[PinnedReader, T]]:
        """A connection inside one read transaction: every read in the block sees what `first` saw.

        A deferred BEGIN alone pins nothing, so the transaction's first read is part of entering.

        Raises:
            RuntimeStopped: the pool is closed.
            StoreError: the file cannot be read.
        """

        def pin(database: peewee.SqliteDatabase) -> T:
            database.execute_sql("BEGIN")
            return first(database)

        async with self._reader() as reader:
            try:
                yield PinnedReader(reader), await reader.run(pin)
            finally:
                reader.end_transaction()

    async def close(self) -> None:
        """Close the connections, each after what it is reading, and end their threads."""
        self._close()
        for reader in self._all:
            await reader.ended()

    def abort(self) -> None:
        """Close now: reads under way are interrupted. Does not wait, may be repeated."""
        self._close()
        for reader in self._all:
            reader.interrupt()

    def _close(self) -> None:
        self._closed = True
        for reader in self._all:
            reader.close()

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[_Reader]:
        async with self._limiter:
            if self._closed:
                raise RuntimeStopped("the runtime has stopped and reads no more")
            reader = self._next()
            try:
                yield reader
            finally:
                self._idle.append(reader)

    def _next(self) -> _Reader:
        """An idle reader, one whose thread has nothing left to do if there is one."""
        if not self._idle:
            self._all.append(_Reader(self._path))
            return self._all[-1]
        free = next((reader for reader in reversed(self._idle) if not reader.is_busy), self._idle[-1])
        self._idle.remove(free)
        return free


class PinnedReader:
    """A reading connection that a block of code holds in one transaction."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        return await self._reader.run(job)


class _Reader:
    """A reading connection and its thread. The connection is opened by the first read, and again where that failed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = JobThread("orchestrion-reader")
        self._database: peewee.SqliteDatabase | None = None

    @property
    def is_busy(self) -> bool:
        return self._thread.depth > 0

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        with translate_errors(self._path):
            try:
                return await self._thread.run(lambda: job(self._opened()))
            except anyio.get_cancelled_exc_class():
                self.interrupt()  # nobody else has asked this thread for anything yet: it is this read that ends
                raise

    def end_transaction(self) -> None:
        """End the read transaction, if one was begun, after what is being read."""
        with suppress(RuntimeStopped):  # closing the connection ends it too
            self._thread.put(self._end_transaction)

    def interrupt(self) -> None:
        if self._database is not None:
            interrupt(self._database)

    def close(self) -> None:
        self._thread.end(self._finish)

    async def ended(self) -> None:
        await self._thread.ended()

    def _opened(self) -> peewee.SqliteDatabase:
        if self._database is None:
            self._database = open_reader(self._path)
        return self._database

    def _end_transaction(self) -> None:
        if self._database is not None and self._database.connection().in_transaction:
            self._database.rollback()

    def _finish(self) -> None:
        if self._database is not None:
            self._database.close()
