"""The bounded stream between an adapter, which learns what its agent does, and the session that reads it.

Events of the agent wait for room (`put`), in number and in bytes, so that a reader that stops makes the agent wait.
Each event is bounded as it enters, and text that continues the text before it joins it: a flood of tiny pieces costs
little more than its bytes. What the runtime's own calls bring about (an approval answered) is taken at once
(`put_nowait`): the reader may be the one that calls, and such events are as few as the requests that are open. `end`
is called once, with the last event; later ones are dropped, the earlier ones stay readable.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import anyio
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import checkpoint

from ...contracts.provider_events import MessageDelta, ProviderRuntimeEvent, SessionExited
from ...domain.event_bounds import bounded_event, event_size

__all__ = ["EventQueue"]

_MAX_WAITING_BYTES: Final = 1024 * 1024
_MAX_JOINED: Final = 64 * 1024


class EventQueue(ObjectReceiveStream[ProviderRuntimeEvent]):
    """One reader, any number of writers, on one event loop. A queue that its reader closed takes all in vain."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[ProviderRuntimeEvent] = deque()
        self._bytes = 0
        self._changed = anyio.Event()
        self._ended = False
        self._closed = False

    async def put(self, event: ProviderRuntimeEvent) -> None:
        """Wait for room, then append. A cancelled `put` has appended nothing."""
        if isinstance(event, MessageDelta) and self._join(event):
            return
        event = bounded_event(event)
        size = event_size(event)
        while self._is_full(size) and not self._ended:
            await self._changed.wait()
        self._append(event, size)

    def put_nowait(self, event: ProviderRuntimeEvent) -> None:
        event = bounded_event(event)
        self._append(event, event_size(event))

    def _is_full(self, size: int) -> bool:
        """One event that is larger than all the room is put in alone."""
        if len(self._waiting) >= self._capacity:
            return True
        return bool(self._waiting) and self._bytes + size > _MAX_WAITING_BYTES

    def _append(self, event: ProviderRuntimeEvent, size: int) -> None:
        if not self._ended:
            self._waiting.append(event)
            self._bytes += size
            self._wake()

    def _join(self, delta: MessageDelta) -> bool:
        """Join text to the text that waits last, if it continues it; False where it needs a place of its own."""
        last = self._waiting[-1] if self._waiting and not self._ended else None
        if not isinstance(last, MessageDelta) or last.item != delta.item:
            return False
        if len(last.text) + len(delta.text) > _MAX_JOINED or self._is_full(len(delta.text)):
            return False
        self._waiting[-1] = MessageDelta(item=last.item, text=last.text + delta.text)
        self._bytes += len(delta.text)
        return True

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
        self._bytes -= event_size(event)
        self._wake()
        return event

    async def aclose(self) -> None:
        self._closed = self._ended = True
        self._waiting.clear()
        self._bytes = 0
        self._wake()
        await checkpoint()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
