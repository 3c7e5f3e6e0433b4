"""A mailbox: the bounded queue in front of an actor, in number and in bytes.

- Items leave in the order in which they came, those of waiting senders included.
- Full, it makes senders wait. It drops nothing and never grows: an item larger than all its room goes in alone.
- Closed, it refuses every sender, the waiting ones included; what it holds can still be taken.
- One actor takes from it; any task may send.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

import anyio
import attrs
from anyio.lowlevel import checkpoint

from ...contracts.errors import OrchestrionError, Overloaded

T = TypeVar("T")


class MailboxClosed(OrchestrionError):
    """The mailbox takes no more items. Its owner raises an error that gives the reason."""


@attrs.define(eq=False)
class _Waiting(Generic[T]):
    item: T
    size: int
    refused: bool = False
    settled: anyio.Event = attrs.field(factory=anyio.Event)


class Mailbox(Generic[T]):
    """Owns what was sent and not taken yet: at most so many items, of so many bytes together."""

    def __init__(self, *, items: int, size: int) -> None:
        self._max_items = items
        self._max_size = size
        self._held: deque[tuple[T, int]] = deque()
        self._size = 0
        self._senders: OrderedDict[int, _Waiting[T]] = OrderedDict()
        self._arrival: anyio.Event | None = None
        self._is_closed = False

    @property
    def depth(self) -> int:
        """Items held; those of waiting senders do not count."""
        return len(self._held)

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    @property
    def waiting(self) -> int:
        """Senders that wait for room."""
        return len(self._senders)

    def send_nowait(self, item: T, size: int) -> None:
        """Put an item behind every one sent before.

        Raises:
            Overloaded: it is full, or others wait already.
            MailboxClosed: it is closed.
        """
        if self._is_closed:
            raise MailboxClosed("the mailbox is closed")
        if self._senders or not self._fits(size):
            raise Overloaded(items=self.depth, size=self._size, waiting=self.waiting)
        self._put(item, size)

    async def send(self, item: T, size: int) -> None:
        """Put an item behind every one sent before; wait while there is no room for it.

        Cancelled while it waits, the item is withdrawn, unless room was made for it at that very moment.

        Raises:
            MailboxClosed: it is closed, or was while this waited; the item was not taken.
        """
        try:
            self.send_nowait(item, size)
        except Overloaded:
            waiting = _Waiting(item, size)
            self._senders[id(waiting)] = waiting
            try:
                await waiting.settled.wait()
            finally:
                self._senders.pop(id(waiting), None)
                self._admit_waiting()
            if waiting.refused:
                raise MailboxClosed("the mailbox is closed") from None

    async def take(self, *, items: int, size: int) -> list[T]:
        """Up to so many items of so many bytes together, oldest first, at least one: waits for the first.

        Raises:
            anyio.EndOfStream: the mailbox is closed and empty.
        """
        await checkpoint()
        while not self._held:
            if self._is_closed:
                raise anyio.EndOfStream
            self._arrival = anyio.Event()
            await self._arrival.wait()
        return self.take_nowait(items=items, size=size)

    def take_nowait(self, *, items: int, size: int) -> list[T]:
        """Up to so many items of so many bytes together, oldest first; at least one, if there is any."""
        taken: list[T] = []
        left = size
        while self._held and (not taken or (len(taken) < items and self._held[0][1] <= left)):
            item, its_size = self._held.popleft()
            taken.append(item)
            left -= its_size
            self._size -= its_size
            if self._senders:
                self._admit_waiting()
        return taken

    def close(self) -> None:
        """Refuse every sender from now on."""
        self._is_closed = True
        for waiting in self._senders.values():
            waiting.refused = True
            waiting.settled.set()
        self._senders.clear()
        self._wake()

    def _fits(self, size: int) -> bool:
        return not self._held or (len(self._held) < self._max_items and self._size + size <= self._max_size)

    def _put(self, item: T, size: int) -> None:
        self._held.append((item, size))
        self._size += size
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None

    def _admit_waiting(self) -> None:
        while self._senders:
            key, waiting = next(iter(self._senders.items()))
            if not self._fits(waiting.size):
                return
            del self._senders[key]
            self._put(waiting.item, waiting.size)
            waiting.settled.set()
