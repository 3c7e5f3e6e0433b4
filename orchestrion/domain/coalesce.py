"""Joining streamed text: many small deltas become few events, without the reader noticing.

Text is held until the oldest of it is older than a tenth of its message's age, at least 50 ms and at most 1 s; or
until 4 KiB are held, or a sixteenth of what the message has so far; or until a boundary, which is any event that is
not text of the same message. Times are seconds of any one clock, given as data.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..contracts.ids import ProviderItemId
from ..contracts.provider_events import MessageDelta, ProviderRuntimeEvent
from ..contracts.text_repair import ends_with_half

LEAST_HOLD_SECONDS: Final = 0.05
MOST_HOLD_SECONDS: Final = 1.0
HOLD_SHARE_OF_AGE: Final = 0.1
MOST_HELD_BYTES: Final = 4096
HOLD_SHARE_OF_LENGTH: Final = 1 / 16


@attrs.frozen(kw_only=True)
class BufferedText:
    """Text of one message that was not passed on yet. `began_at` is when the message's first text came.

    `size` counts the bytes of the text, `said` those of the message that were passed on before.
    """

    item: ProviderItemId | None = None
    text: str = ""
    size: int = 0
    said: int = 0
    began_at: float = 0.0
    oldest_at: float = 0.0

    @property
    def due_at(self) -> float | None:
        """When the text has to be passed on; None while there is none but half of a character."""
        if not self.text or (len(self.text) == 1 and ends_with_half(self.text)):
            return None
        age_when_oldest = self.oldest_at - self.began_at
        hold = age_when_oldest * HOLD_SHARE_OF_AGE / (1 - HOLD_SHARE_OF_AGE)  # the message ages while the text waits
        return self.oldest_at + min(MOST_HOLD_SECONDS, max(LEAST_HOLD_SECONDS, hold))

    @property
    def most_bytes(self) -> int:
        """How much is held at most: a long message comes in longer pieces, since each is appended to its row."""
        return max(MOST_HELD_BYTES, int(self.said * HOLD_SHARE_OF_LENGTH))


def hold(
    held: BufferedText, event: ProviderRuntimeEvent, now: float
) -> tuple[BufferedText, tuple[ProviderRuntimeEvent, ...]]:
    """What is held after `event`, and what is to be passed on now, in order."""
    if not isinstance(event, MessageDelta):
        after, released = release(held, whole=True)
        return after, (*released, event)
    size = len(event.text) if event.text.isascii() else len(event.text.encode("utf-8", "replace"))
    if event.item != held.item:
        _, released = release(held, whole=True)
        fresh = BufferedText(item=event.item, text=event.text, size=size, began_at=now, oldest_at=now)
    else:
        released = ()
        oldest_at = held.oldest_at if held.text else now
        fresh = attrs.evolve(held, text=held.text + event.text, size=held.size + size, oldest_at=oldest_at)
    if fresh.size < fresh.most_bytes:
        return fresh, released
    after, overflow = release(fresh)
    return after, (*released, *overflow)


def release(held: BufferedText, *, whole: bool = False) -> tuple[BufferedText, tuple[ProviderRuntimeEvent, ...]]:
    """Pass on what is held; the message's age is kept.

    The first half of a surrogate pair at its end waits for the second one, unless the `whole` is asked for.
    """
    text, kept = held.text, ""
    if ends_with_half(text) and not whole:
        text, kept = text[:-1], text[-1]
    if not text or held.item is None:
        return held, ()
    after = attrs.evolve(held, text=kept, size=len(kept), said=held.said + held.size)
    return after, (MessageDelta(item=held.item, text=text),)
