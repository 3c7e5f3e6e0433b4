"""Connections that read: a fixed number, each used by one job at a time, none of them ever waiting for the writer.

What SQLite raises in a job leaves as a `StoreError`. Closed, the pool opens no connection any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import peewee
from anyio.to_thread import run_sync

from ..runtime.contracts.errors import MailboxClosed
from .database import open_reader
from .failures import translate_errors

T = TypeVar("T")


class ReaderPool:
    """Runs reads on worker threads, at most `size` at once; a further one waits for a free connection."""

    def __init__(self, path: Path, *, size: int) -> None:
        self._path = path
        self._limiter = anyio.CapacityLimiter(size)
        self._idle: list[peewee.SqliteDatabase] = []
        self._closed = False

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        """Run `job` with a reading connection. A caller that is cancelled waits for the read to end.

        Raises:
            MailboxClosed: the pool is closed.
            StoreError: the file cannot be read.
        """
        async with self._connection() as database:
            return await _read(database, self._path, job)

    @asynccontextmanager
    async def pinned(self, first: Callable[[peewee.SqliteDatabase], T]) -> AsyncIterator[tuple[Pinned, T]]:
        """A connection inside one read transaction: every read in the block sees what `first` saw.

        A deferred BEGIN alone pins nothing, so the transaction's first read is part of entering.

        Raises:
            MailboxClosed: the pool is closed.
            StoreError: the file cannot be read.
        """

        def pin(database: peewee.SqliteDatabase) -> T:
            database.execute_sql("BEGIN")
            return first(database)

        async with self._connection() as database:
            try:
                yield Pinned(database, self._path), await _read(database, self._path, pin)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_sync(_end_read, database)

    async def close(self) -> None:
        """Close the connections: the idle ones now, the others when their readers are done."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            while self._idle:
                await run_sync(self._idle.pop().close)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[peewee.SqliteDatabase]:
        async with self._limiter:
            if self._closed:
                raise MailboxClosed("the runtime has stopped and reads no more")
            database = self._idle.pop() if self._idle else await run_sync(open_reader, self._path)
            try:
                yield database
            finally:
                self._idle.append(database)
                if self._closed:
                    await self.close()


class Pinned:
    """A reading connection that a block of code holds in one transaction."""

    def __init__(self, database: peewee.SqliteDatabase, path: Path) -> None:
        self._database = database
        self._path = path

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        return await _read(self._database, self._path, job)


def _end_read(database: peewee.SqliteDatabase) -> None:
    """End the read transaction, if a caller that was cancelled ever came to begin it."""
    if database.connection().in_transaction:
        database.rollback()


async def _read(database: peewee.SqliteDatabase, path: Path, job: Callable[[peewee.SqliteDatabase], T]) -> T:
    with translate_errors(path):
        return await run_sync(job, database)
