"""The bounded stream between an adapter, which learns what its agent does, and the session that reads it.

What the agent says waits for room (`put`), so that a reader that stops makes the agent wait. What the runtime's own
calls bring about (an approval answered) is taken at once (`put_nowait`): the reader may be the one that calls, and
such events are as few as the requests that are open. `end` is called once, with the last event; later ones are
dropped, the earlier ones stay readable.
"""

from __future__ import annotations

from collections import deque

import anyio
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import checkpoint

from ...runtime.contracts.provider_events import ProviderRuntimeEvent, SessionExited

__all__ = ["EventQueue"]


class EventQueue(ObjectReceiveStream[ProviderRuntimeEvent]):
    """One reader, any number of writers, on one event loop. A queue that its reader closed takes all in vain."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[ProviderRuntimeEvent] = deque()
        self._changed = anyio.Event()
        self._ended = False
        self._closed = False

    async def put(self, event: ProviderRuntimeEvent) -> None:
        """Wait for room, then append. A cancelled `put` has appended nothing."""
        while len(self._waiting) >= self._capacity and not self._ended:
            await self._changed.wait()
        self.put_nowait(event)

    def put_nowait(self, event: ProviderRuntimeEvent) -> None:
        if not self._ended:
            self._waiting.append(event)
            self._wake()

    def end(self, last: SessionExited) -> None:
        self.put_nowait(last)
        self._ended = True
        self._wake()

    async def receive(self) -> ProviderRuntimeEvent:
        """The next event; a cancelled `receive` has taken nothing.

        Raises:
            EndOfStream: the last event was read.
            ClosedResourceError: the reader has closed the queue.
        """
        await checkpoint()
        while not self._waiting:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._ended:
                raise anyio.EndOfStream
            await self._changed.wait()
        event = self._waiting.popleft()
        self._wake()
        return event

    async def aclose(self) -> None:
        self._closed = self._ended = True
        self._waiting.clear()
        self._wake()
        await checkpoint()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
