"""The write lane: the one thread that writes, and the one connection it writes with.

- Jobs run in the order they were handed in, each to its end; a caller that is cancelled abandons the answer, never
  the job.
- The event loop never touches SQLite: a job is a plain function of the connection, its answer is posted back to the
  loop that asked. A lane serves one loop.
- The queue is bounded by its callers: the dispatcher, the round of projections and a few others each wait for the
  job they handed in before they hand in the next.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio
import attrs
import peewee
from anyio.lowlevel import current_token
from anyio.to_thread import run_sync

from ..runtime.contracts.errors import MailboxClosed

T = TypeVar("T")
Job = Callable[[peewee.SqliteDatabase], T]
_Post = Callable[[Callable[[], object]], object]


@attrs.define(eq=False)
class _Slot(Generic[T]):
    job: Job[T]
    post: _Post
    done: anyio.Event = attrs.field(factory=anyio.Event)
    answer: T | None = None
    error: BaseException | None = None

    def run(self, database: peewee.SqliteDatabase) -> None:
        try:
            self.answer = self.job(database)
        except BaseException as error:  # the caller, not this thread, decides what an error means
            self.error = error


class WriteLane:
    """Runs jobs on one writing connection, in order, on a thread of its own."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._database = database
        self._slots: queue.SimpleQueue[_Slot[Any] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._closed = False
        self._post: _Post | None = None
        self._thread = threading.Thread(target=self._serve, name="orchestrion-write-lane", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Jobs handed in and not answered yet."""
        return self._waiting

    async def run(self, job: Job[T]) -> T:
        """Run `job` with the writing connection and return its answer.

        A caller that is cancelled while the job runs does not stop it: whether it took effect is then unknown.

        Raises:
            MailboxClosed: the lane is closed.
        """
        if self._closed:
            raise MailboxClosed("the write lane is closed")
        if self._post is None:
            self._post = _poster()
        slot = _Slot(job, self._post)
        self._waiting += 1
        self._slots.put(slot)
        await slot.done.wait()
        if slot.error is not None:
            raise slot.error
        return slot.answer  # type: ignore[return-value]  # a slot without an error holds the job's answer

    async def close(self) -> None:
        """Run what was handed in, then end the thread and close the connection."""
        if self._closed:
            return
        self._closed = True
        self._slots.put(None)
        with anyio.CancelScope(shield=True):
            await run_sync(self._thread.join)

    def _serve(self) -> None:
        while (slot := self._slots.get()) is not None:
            slot.run(self._database)
            try:
                slot.post(lambda slot=slot: self._answer(slot))  # type: ignore[misc]  # binds this turn's slot
            except RuntimeError:  # the loop is gone: nobody waits any more
                self._waiting -= 1
        self._database.close()

    def _answer(self, slot: _Slot[Any]) -> None:
        self._waiting -= 1
        slot.done.set()


def _poster() -> _Post:
    """The running loop's own way to take a call from another thread."""
    token = current_token().native_token
    post = getattr(token, "call_soon_threadsafe", None) or token.run_sync_soon  # type: ignore[attr-defined]  # trio's
    return post  # type: ignore[no-any-return]  # asyncio's and trio's take a function
