"""The write lane: the one thread that writes, and the one connection it writes with.

- Jobs run in the order they were handed in, each to its end; a caller that is cancelled abandons the answer, never
  the job.
- The event loop never touches SQLite: a job is a plain function of the connection, its answer is posted back to the
  loop that asked. A lane serves one loop.
- The queue is bounded by its callers: the dispatcher, the round of projections and a few others each wait for the
  job they handed in before they hand in the next.
- The connection is closed on the same thread, after the last job. What may come only when nothing writes any more (the
  release of the database's lock) runs there too, after that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import peewee

from ..contracts.errors import RuntimeStopped
from .threads import JobThread

T = TypeVar("T")
Job = Callable[[peewee.SqliteDatabase], T]

LANE_THREAD = "orchestrion-write-lane"


def _nothing() -> None:
    pass


class WriteLane:
    """Runs jobs on one writing connection, in order, on a thread of its own.

    `thread` is where the connection was opened, if not on any; `afterwards` runs there once the connection is closed.
    """

    def __init__(
        self,
        database: peewee.SqliteDatabase,
        *,
        thread: JobThread | None = None,
        afterwards: Callable[[], object] = _nothing,
    ) -> None:
        self._database = database
        self._thread = thread or JobThread(LANE_THREAD)
        self._afterwards = afterwards
        self._closed = False

    @property
    def depth(self) -> int:
        """Jobs handed in and not answered yet."""
        return self._thread.depth

    async def run(self, job: Job[T]) -> T:
        """Run `job` with the writing connection and return its answer.

        A caller that is cancelled while the job runs does not stop it: whether it took effect is then unknown.

        Raises:
            RuntimeStopped: the lane is closed.
        """
        if self._closed:
            raise RuntimeStopped("the write lane is closed")
        return await self._thread.run(lambda: job(self._database))

    async def close(self) -> None:
        """Run what was handed in, then close the connection and end the thread.

        Cancelled, it is done all the same, and not waited for.
        """
        self._close()
        await self._thread.ended()

    def abort(self) -> None:
        """Close now: jobs that have not begun are dropped, the statement that runs is interrupted and rolled back.

        Does not wait: the connection is closed and the thread ends when its present job has returned. May be repeated.
        """
        self._close()
        self._thread.discard()
        interrupt(self._database)

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._thread.end(self._finish)

    def _finish(self) -> None:
        try:
            self._database.close()
        finally:
            self._afterwards()


def interrupt(database: peewee.SqliteDatabase) -> None:
    """Interrupt the statement that runs on this connection, if one does. May be called on any thread."""
    with suppress(peewee.PeeweeException, sqlite3.Error):
        if not database.is_closed():
            database.connection().interrupt()
