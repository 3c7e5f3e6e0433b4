"""Joining streamed text and updates of running calls: many small events become few, without the reader noticing.

Text is held until the oldest of it is older than a tenth of its message's age, at least 50 ms and at most 1 s; or
until 4 KiB are held, or a sixteenth of what the message has so far. An update of a call is held until a second after
the one before it was passed on; a newer one replaces it. Any other event, and text of another message, is passed on
at once. Times are seconds of any one clock, given as data.

**All or nothing, in order.** Events are passed on in the order in which they came, and nothing is passed on while
anything older is held: what was passed on is always all that came up to some event, whole events only, without the
updates that a newer one has replaced. So the last event that was passed on determines how much of the messages the
log has. There is one exception. Text that ends with the first half of a surrogate pair waits for the event that has
the second half; an update that comes between them is passed on after it. A boundary does not wait: it passes on the
half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ..contracts.ids import ProviderItemId
from ..contracts.provider_events import (
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
)
from ..contracts.text_repair import ends_with_half
from .event_bounds import event_size

LEAST_HOLD_SECONDS: Final = 0.05
MOST_HOLD_SECONDS: Final = 1.0
HOLD_SHARE_OF_AGE: Final = 0.1
MOST_HELD_BYTES: Final = 4096
"""Of text, while its message is short."""
HOLD_SHARE_OF_LENGTH: Final = 1 / 16
UPDATE_SECONDS: Final = 1.0
MAX_HELD_BYTES: Final = 1024 * 1024
"""Of everything that is held."""

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class BufferedEvent:
    """An event that is held. Of text the first `whole` characters came in events that ended with a whole character."""

    event: MessageDelta | ToolUpdated
    size: int
    whole: int = 0

    @property
    def splits_character(self) -> bool:
        """Whether the text ends within a character."""
        return isinstance(self.event, MessageDelta) and self.whole < len(self.event.text)


@attrs.frozen(kw_only=True)
class BufferedEvents:
    """What came and was not passed on yet, in its order: text of one message, and at most one update of each call.

    `item` is the message that streams, `began_at` when its first text came, `passed_bytes` counts what was passed on.
    `oldest_at` is when the oldest text that is held came. `updated_at` has, for each open call, when its last update
    was passed on.
    """

    held: tuple[BufferedEvent, ...] = ()
    item: ProviderItemId | None = None
    passed_bytes: int = 0
    began_at: float = 0.0
    oldest_at: float = 0.0
    updated_at: Mapping[ProviderItemId, float] = attrs.field(factory=dict[ProviderItemId, float])

    @property
    def due_at(self) -> float | None:
        """When something has to be passed on; None while nothing is held that can be."""
        ready, _ = _parted(self.held)
        return min((self.due_at_of(one.event) for one in ready), default=None)

    @property
    def text_size(self) -> int:
        """How many bytes of text are held."""
        return sum([one.size for one in self.held if isinstance(one.event, MessageDelta)])

    @property
    def most_bytes(self) -> int:
        """How much text is held at most: a long message comes in longer pieces, since each is appended to its row."""
        return max(MOST_HELD_BYTES, int(self.passed_bytes * HOLD_SHARE_OF_LENGTH))

    def due_at_of(self, event: MessageDelta | ToolUpdated) -> float:
        """When an event that is held has to be passed on."""
        if isinstance(event, ToolUpdated):
            return self.updated_at.get(event.item, float("-inf")) + UPDATE_SECONDS
        age_when_oldest = self.oldest_at - self.began_at
        hold = age_when_oldest * HOLD_SHARE_OF_AGE / (1 - HOLD_SHARE_OF_AGE)  # the message ages while the text waits
        return self.oldest_at + min(MOST_HOLD_SECONDS, max(LEAST_HOLD_SECONDS, hold))


def hold(buffered: BufferedEvents, event: ProviderRuntimeEvent, now: float) -> tuple[BufferedEvents, Events]:
    """What is held after `event`, and what is to be passed on now, in order."""
    match event:
        case MessageDelta(text=""):
            return buffered, ()
        case MessageDelta():
            return _hold_text(buffered, event, now)
        case ToolUpdated():
            others = _without_update(buffered.held, event.item)
            size = event_size(event) + len(event.title)
            after = attrs.evolve(buffered, held=(*others, BufferedEvent(event=event, size=size)))
            return release(after, now) if after.due_at_of(event) <= now else _within_bounds(after, now)
    after, released = release(buffered, now, whole=True)
    match event:
        case ToolStarted() | ToolCompleted() if event.item in after.updated_at:
            others_at = {item: at for item, at in after.updated_at.items() if item != event.item}
            after = attrs.evolve(after, updated_at=others_at)
        case TurnCompleted() | SessionExited():
            after = attrs.evolve(after, updated_at={})
    return after, (*released, event)


def release(buffered: BufferedEvents, now: float, *, whole: bool = False) -> tuple[BufferedEvents, Events]:
    """Pass on everything that is held, in order; the message's age is kept.

    Text whose last character is not complete waits, and what came after it, unless the `whole` is asked for.
    """
    ready, kept = (buffered.held, ()) if whole else _parted(buffered.held)
    return _released(buffered, ready, kept, now)


def release_due(buffered: BufferedEvents, now: float) -> tuple[BufferedEvents, Events]:
    """Pass on what is due, and everything that came before it."""
    ready, kept = _parted(buffered.held)
    due = max((place for place, one in enumerate(ready, 1) if buffered.due_at_of(one.event) <= now), default=0)
    if due == len(ready):
        return _released(buffered, ready, kept, now)
    return _released(buffered, buffered.held[:due], buffered.held[due:], now)


def _released(
    buffered: BufferedEvents, ready: tuple[BufferedEvent, ...], kept: tuple[BufferedEvent, ...], now: float
) -> tuple[BufferedEvents, Events]:
    if not ready:
        return buffered, ()
    updated = {one.event.item: now for one in ready if isinstance(one.event, ToolUpdated)}
    after = attrs.evolve(
        buffered,
        held=kept,
        passed_bytes=buffered.passed_bytes + sum(one.size for one in ready if isinstance(one.event, MessageDelta)),
        updated_at={**buffered.updated_at, **updated} if updated else buffered.updated_at,
    )
    return after, tuple(one.event for one in ready)


def _hold_text(buffered: BufferedEvents, delta: MessageDelta, now: float) -> tuple[BufferedEvents, Events]:
    released: Events = ()
    if delta.item != buffered.item:
        if buffered.text_size:
            buffered, released = release(buffered, now, whole=True)
        buffered = attrs.evolve(buffered, item=delta.item, passed_bytes=0, began_at=now)
    if not buffered.text_size:
        buffered = attrs.evolve(buffered, oldest_at=now)
    after, passed = _within_bounds(attrs.evolve(buffered, held=_with_text(buffered.held, _buffered_text(delta))), now)
    return after, (*released, *passed)


def _within_bounds(buffered: BufferedEvents, now: float) -> tuple[BufferedEvents, Events]:
    """Pass on what is held where it is too much; also half of a character, where what waits for it is too much."""
    size = sum([one.size for one in buffered.held])
    if size < MOST_HELD_BYTES or (size <= MAX_HELD_BYTES and buffered.text_size < buffered.most_bytes):
        return buffered, ()
    after, released = release(buffered, now)
    if sum(one.size for one in after.held) <= MAX_HELD_BYTES:
        return after, released
    after, rest = release(after, now, whole=True)
    return after, (*released, *rest)


def _parted(held: tuple[BufferedEvent, ...]) -> tuple[tuple[BufferedEvent, ...], tuple[BufferedEvent, ...]]:
    """What can be passed on, and what waits for the rest of a character. Only the last text can end within one."""
    place = next((place for place, one in enumerate(held) if one.splits_character), None)
    if place is None:
        return held, ()
    split = held[place]
    assert isinstance(split.event, MessageDelta), "only text ends within a character"
    first = _buffered_text(attrs.evolve(split.event, text=split.event.text[: split.whole]))
    rest = attrs.evolve(split.event, text=split.event.text[split.whole :])
    waits = BufferedEvent(event=rest, size=split.size - first.size)
    ready = (*held[:place], first) if split.whole else held[:place]
    return ready, (waits, *held[place + 1 :])


def _buffered_text(delta: MessageDelta) -> BufferedEvent:
    text = delta.text
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return BufferedEvent(event=delta, size=size, whole=0 if ends_with_half(text) else len(text))


def _with_text(held: tuple[BufferedEvent, ...], more: BufferedEvent) -> tuple[BufferedEvent, ...]:
    """Join text to the text that was held last, or to the one whose last character it completes."""
    for place in range(len(held) - 1, -1, -1):
        if isinstance(held[place].event, MessageDelta):
            if place == len(held) - 1 or held[place].splits_character:
                return (*held[:place], _joined(held[place], more), *held[place + 1 :])
            break
    return (*held, more)


def _joined(first: BufferedEvent, more: BufferedEvent) -> BufferedEvent:
    assert isinstance(first.event, MessageDelta), "only text is joined"
    assert isinstance(more.event, MessageDelta), "only text is joined"
    return BufferedEvent(
        event=MessageDelta(item=first.event.item, text=first.event.text + more.event.text),
        size=first.size + more.size,
        whole=len(first.event.text) + more.whole if more.whole else first.whole,
    )


def _without_update(held: tuple[BufferedEvent, ...], item: ProviderItemId) -> tuple[BufferedEvent, ...]:
    """What is held without a call's update; text that it parted is joined."""
    place = next(
        (place for place, one in enumerate(held) if isinstance(one.event, ToolUpdated) and one.event.item == item), None
    )
    if place is None:
        return held
    before, after = held[:place], held[place + 1 :]
    is_parted = before and after and isinstance(before[-1].event, MessageDelta)
    if is_parted and isinstance(after[0].event, MessageDelta):
        return (*before[:-1], _joined(before[-1], after[0]), *after[1:])
    return (*before, *after)
