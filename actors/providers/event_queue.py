"""The bounded stream of events between an adapter and the session that reads it.

Events of the agent wait for room (`put`), in number and in bytes, so that a reader that stops makes the agent wait.
Each event is bounded when it is added, and text that continues the last event's text is joined to it: many tiny pieces
cost little more than their bytes. Events caused by the runtime's own calls (an approval was answered) are added without
waiting (`put_nowait`): the caller may be the reader, and there are no more of them than open requests. `end` is called
once, with the last event; later ones are dropped, earlier ones can still be read.
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
    """One reader, any number of writers, on one event loop. After its reader has closed it, events are dropped."""

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
        """Whether an event of this size has to wait. An event larger than the bound fits into an empty queue."""
        if len(self._waiting) >= self._capacity:
            return True
        return bool(self._waiting) and self._bytes + size > _MAX_WAITING_BYTES

    def _append(self, event: ProviderRuntimeEvent, size: int) -> None:
        if not self._ended:
            self._waiting.append(event)
            self._bytes += size
            self._wake()

    def _join(self, delta: MessageDelta) -> bool:
        """Join text to the last waiting text, if it continues it; False where it needs an entry of its own."""
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
