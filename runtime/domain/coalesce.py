"""Joining streamed text: many small deltas become few events, without the reader noticing.

Text is held until the oldest of it is older than a tenth of its message's age, at least 50 ms and at most 1 s; or
until 4 KiB are held; or until a boundary, which is any event that is not text of the same message. Times are seconds
of any one clock, given as data.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..contracts.ids import ProviderItemId
from ..contracts.provider_events import MessageDelta, ProviderRuntimeEvent

LEAST_HOLD_SECONDS: Final = 0.05
MOST_HOLD_SECONDS: Final = 1.0
HOLD_SHARE_OF_AGE: Final = 0.1
MOST_HELD_BYTES: Final = 4096


@attrs.frozen(kw_only=True)
class HeldText:
    """Text of one message that was not passed on yet. `began_at` is when the message's first text came."""

    item: ProviderItemId | None = None
    text: str = ""
    began_at: float = 0.0
    oldest_at: float = 0.0

    @property
    def due_at(self) -> float | None:
        """When the text has to be passed on; None while none is held."""
        if not self.text:
            return None
        age_when_oldest = self.oldest_at - self.began_at
        hold = age_when_oldest * HOLD_SHARE_OF_AGE / (1 - HOLD_SHARE_OF_AGE)  # the message ages while the text waits
        return self.oldest_at + min(MOST_HOLD_SECONDS, max(LEAST_HOLD_SECONDS, hold))


def hold(held: HeldText, event: ProviderRuntimeEvent, now: float) -> tuple[HeldText, tuple[ProviderRuntimeEvent, ...]]:
    """What is held after `event`, and what is to be passed on now, in order."""
    if not isinstance(event, MessageDelta):
        after, released = release(held)
        return after, (*released, event)
    if event.item != held.item:
        _, released = release(held)
        fresh = HeldText(item=event.item, text=event.text, began_at=now, oldest_at=now)
    else:
        released = ()
        fresh = attrs.evolve(held, text=held.text + event.text, oldest_at=held.oldest_at if held.text else now)
    if len(fresh.text.encode()) < MOST_HELD_BYTES:
        return fresh, released
    after, overflow = release(fresh)
    return after, (*released, *overflow)


def release(held: HeldText) -> tuple[HeldText, tuple[ProviderRuntimeEvent, ...]]:
    """Pass on what is held; the message's age is kept."""
    if not held.text or held.item is None:
        return held, ()
    return attrs.evolve(held, text=""), (MessageDelta(item=held.item, text=held.text),)
