"""Subscriptions: every event after a sequence, once, in order, at the reader's own pace.

One thread's subscription reads that thread's events from the store by their index. Of what is published it looks at
every event, which is in memory already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self

import anyio

from ...contracts.errors import NotFound
from ...contracts.events import LoggedEvent
from ...contracts.ids import ThreadId
from .event_log import EventLog, LogFollower


class Subscription:
    """An asynchronous iterator over the log from a position on. A context manager: leaving it stops following.

    A slow reader does not slow others: it reads from the store what does not fit its channel. The iteration
    ends when the runtime closes and every event was delivered. An event that does not decode is delivered as
    `UndecodableEvent`. Belongs to one task.

    Entering it, or its first step, raises `NotFound` for a thread that never existed.
    """

    def __init__(self, log: EventLog, position: int, thread_id: ThreadId | None) -> None:
        self._follower: LogFollower = log.follow(position, thread_id)
        self._log = log
        self._thread_id = thread_id
        self._is_known = thread_id is None
        self._seam = log.head
        self._events: Iterator[LoggedEvent] = iter(())
        self._position = position

    @property
    def position(self) -> int:
        """The sequence of the last event delivered, or passed over because it is another thread's."""
        return self._position

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the log when the subscription began has been delivered."""
        return self._position >= self._seam

    async def __aenter__(self) -> Self:
        try:
            await self._check_thread()
        except BaseException:
            self._follower.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._follower.close()

    def __aiter__(self) -> AsyncIterator[LoggedEvent]:
        return self

    async def __anext__(self) -> LoggedEvent:
        await self._check_thread()
        while True:
            for event in self._events:
                self._position = event.sequence
                if self._thread_id is None or (event.aggregate_kind, event.stream_id) == ("thread", self._thread_id):
                    return event
            self._position = self._follower.position
            try:
                self._events = iter(await self._follower.next_batch())
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                raise StopAsyncIteration from None

    async def _check_thread(self) -> None:
        """The thread exists or existed.

        Raises:
            NotFound: it never did.
        """
        if self._is_known or self._thread_id is None:
            return
        try:
            await self._log.check_thread(self._thread_id)
        except NotFound:
            self._follower.close()
            raise
        self._is_known = True
