"""The log as actors see it: a published head, and followers that read on from a position.

A follower yields contiguous batches of events after its position: from its channel when the batch there continues the
position, from the store when not. Catching up, live, slow readers and lost wake-ups are one path. What is published
is committed; a notification is a hint, and a follower that misses one reads the gap from the store.

Only the dispatcher publishes. A follower belongs to one task.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ...contracts.errors import NotFound, SequenceAheadOfLog
from ...contracts.events import LoggedEvent, PersistedEvent
from ...contracts.ids import ThreadId
from ...persistence.batches import NOTHING, Batch
from ...persistence.event_store import EventPage, ReadPage, StreamRequest, read_page, read_stream_position
from ...persistence.readers import ReaderPool

CHANNEL_BATCHES: Final = 256
CHANNEL_BYTES: Final = 8 * 1024 * 1024
"""How much of what was published waits for a follower. More is not waited for: the follower reads the gap."""

PAGE_EVENTS: Final = 1000
"""How many events a follower reads from the store, or takes from its channel, at once."""


class EventLog:
    """Publishes committed batches to its followers."""

    def __init__(self, readers: ReaderPool, *, head: int) -> None:
        self._readers = readers
        self._head = head
        self._channels: dict[LogFollower, MemoryObjectSendStream[Batch]] = {}
        self._closed = False

    @property
    def head(self) -> int:
        """The sequence of the last published event: every event up to it can be read."""
        return self._head

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be published."""
        return self._closed

    @property
    def followers(self) -> int:
        return len(self._channels)

    def publish(self, batch: Batch) -> None:
        """Make a committed batch known. Never waits: a follower whose channel is full reads the gap later."""
        if not batch.events:
            return
        self._head = batch.events[-1].sequence
        for follower, channel in self._channels.items():
            if follower.has_room(batch):
                with suppress(anyio.WouldBlock):
                    channel.send_nowait(batch)
                    follower.held += batch.size

    def follow(self, position: int, thread_id: ThreadId | None = None) -> LogFollower:
        """A follower of every event after `position`. Close it when done.

        With `thread_id`, what it reads from the store are that thread's events alone, found by their index.

        Raises:
            SequenceAheadOfLog: `position` is beyond the head.
        """
        if position > self._head:
            raise SequenceAheadOfLog(position, self._head)
        send, receive = anyio.create_memory_object_stream[Batch](CHANNEL_BATCHES)
        follower = LogFollower(self, self._readers, receive, position, thread_id)
        self._channels[follower] = send
        if self._closed:
            send.close()
        return follower

    async def check_thread(self, thread_id: ThreadId) -> None:
        """See that the thread exists or existed.

        Raises:
            NotFound: it never did.
            RuntimeStopped: the runtime has stopped.
        """
        stream = StreamRequest(aggregate_kind="thread", stream_id=thread_id)
        if (await self._readers.run(lambda database: read_stream_position(database, stream))).version == 0:
            raise NotFound("thread", thread_id)

    async def read_page(self, page: EventPage) -> ReadPage:
        """A page of the log from the store, at most up to the head.

        Raises:
            SequenceAheadOfLog: the page begins beyond the head.
            RuntimeStopped: the runtime has stopped.
        """
        head = self._head if page.up_to is None else min(page.up_to, self._head)
        if page.after > self._head:
            raise SequenceAheadOfLog(page.after, self._head)
        if page.after >= head:
            return ReadPage(events=[], has_more=False)
        bounded = attrs.evolve(page, up_to=head)
        return await self._readers.run(lambda database: read_page(database, bounded))

    def end(self) -> None:
        """Nothing more will be published: followers end when they have reached the head."""
        self._closed = True
        for channel in self._channels.values():
            channel.close()

    def abandon(self) -> None:
        """End, and close the followers too: those who hold them never run."""
        self.end()
        for follower in tuple(self._channels):
            follower.close()

    def nudge(self, follower: LogFollower) -> None:
        """Send a follower an empty batch, unless its channel is full."""
        channel = self._channels.get(follower)
        if channel is not None:
            with suppress(anyio.WouldBlock, anyio.ClosedResourceError):
                channel.send_nowait(NOTHING)

    def forget(self, follower: LogFollower) -> None:
        channel = self._channels.pop(follower, None)
        if channel is not None:
            channel.close()


class LogFollower:
    """Reads the log on from a position, in order, without gaps, at its own pace."""

    def __init__(
        self,
        log: EventLog,
        readers: ReaderPool,
        channel: MemoryObjectReceiveStream[Batch],
        position: int,
        thread_id: ThreadId | None = None,
    ) -> None:
        self._log = log
        self._readers = readers
        self._channel = channel
        self._position = position
        self._thread_id = thread_id
        self._gathered: list[Batch] = []
        self.held = 0
        """Bytes in the channel: counted up by the log, down by the follower."""

    @property
    def position(self) -> int:
        """The sequence of the last event that was yielded, or passed over as another thread's."""
        return self._position

    @property
    def lag(self) -> int:
        """Published events that were not yielded yet."""
        return self._log.head - self._position

    def has_room(self, batch: Batch) -> bool:
        """Whether a batch fits the channel; one larger than all of it fits when it is empty."""
        return self.held == 0 or self.held + batch.size <= CHANNEL_BYTES

    async def next_batch(self, *, limit: int = PAGE_EVENTS) -> Sequence[LoggedEvent]:
        """The next events, about `limit` at most; none when `nudge` asked the follower to look around.

        Cancelled, it loses nothing: the same events come with the next call.

        Raises:
            anyio.EndOfStream: the log has ended and everything was yielded.
        """
        while True:
            batch = self.next_batch_nowait(limit=limit)
            if batch:
                return batch
            if self._position < self._log.head:
                batch = await self._read_gap(limit)
                if batch:
                    return batch
                continue
            received = await self._channel.receive()
            self.held -= received.size
            if not received.events:
                return ()
            self._gathered.append(received)

    def nudge(self) -> None:
        """Wake the follower's task if it waits. One that does not wait looks around by itself."""
        self._log.nudge(self)

    def next_batch_nowait(self, *, limit: int = PAGE_EVENTS) -> Sequence[LoggedEvent]:
        """What the channel holds of the events that continue the position; empty when a read or a wait is due."""
        events: list[PersistedEvent] = []
        position = self._position
        while len(events) < limit and (batch := self._take()) is not None:
            if not batch.events or batch.events[-1].sequence <= position:
                continue
            first = batch.events[0].sequence
            if first > position + 1:
                self._gathered.insert(0, batch)
                break
            events.extend(batch.events[position + 1 - first :])
            position = batch.events[-1].sequence
        self._position = position
        return events

    def close(self) -> None:
        """Stop following. What was not yielded stays in the log."""
        self._log.forget(self)
        self._channel.close()

    def _take(self) -> Batch | None:
        if self._gathered:
            return self._gathered.pop(0)
        try:
            received = self._channel.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream):
            self.held = 0  # a batch that was handed over as its task was cancelled is gone, and counts no more
            return None
        self.held -= received.size
        return received

    async def _read_gap(self, limit: int) -> Sequence[LoggedEvent]:
        head = self._log.head
        page = EventPage(after=self._position, limit=limit, up_to=head, thread_id=self._thread_id)
        read = await self._readers.run(lambda database: read_page(database, page))
        self._position = read.events[-1].sequence if read.has_more else head
        return read.events
