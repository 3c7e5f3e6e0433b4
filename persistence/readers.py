"""Connections that read: a fixed number, each used by one job at a time, none of them ever waiting for the writer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import peewee
from anyio.to_thread import run_sync

from .database import open_reader

T = TypeVar("T")


class ReaderPool:
    """Runs reads on worker threads, at most `size` at once; a further one waits for a free connection."""

    def __init__(self, path: Path, *, size: int) -> None:
        self._path = path
        self._limiter = anyio.CapacityLimiter(size)
        self._idle: list[peewee.SqliteDatabase] = []

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        """Run `job` with a reading connection. A caller that is cancelled waits for the read to end."""
        async with self._connection() as database:
            return await run_sync(job, database)

    @asynccontextmanager
    async def pinned(self, first: Callable[[peewee.SqliteDatabase], T]) -> AsyncIterator[tuple[Pinned, T]]:
        """A connection inside one read transaction: every read in the block sees what `first` saw.

        A deferred BEGIN alone pins nothing, so the transaction's first read is part of entering.
        """
        async with self._connection() as database:

            def pin() -> T:
                database.execute_sql("BEGIN")
                return first(database)

            try:
                yield Pinned(database), await run_sync(pin)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_sync(database.rollback)

    def close(self) -> None:
        """Close the idle connections. The runtime has ended every reader before."""
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[peewee.SqliteDatabase]:
        async with self._limiter:
            database = self._idle.pop() if self._idle else await run_sync(open_reader, self._path)
            try:
                yield database
            finally:
                self._idle.append(database)


class Pinned:
    """A reading connection that a block of code holds in one transaction."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._database = database

    async def run(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        return await run_sync(job, self._database)
