"""The messages that Codex is streaming in a turn, as a value. Pure.

A message streams as deltas and comes again whole when it is completed; the whole text is used only where no delta came.
A message that its turn cut off may be completed later: then only the text that was not reported before is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import MessageCompleted, MessageDelta, ProviderRuntimeEvent
from ..agent_ids import bounded_id

__all__ = ["CodexText", "StreamedMessage"]

_MAX_OPEN: Final = 64

T = TypeVar("T")

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class StreamedMessage:
    """A message's key, and how many characters of it were reported."""

    item: ProviderItemId
    reported: int = 0


@attrs.frozen(kw_only=True)
class CodexText:
    """`open` has at most 64 messages by Codex's ids. Keys are made from `count`, the number of messages so far.

    `cut_off` has, for messages that the turn before cut off, how many characters of each were reported.
    """

    open: Mapping[str, StreamedMessage] = attrs.field(factory=dict[str, StreamedMessage])
    cut_off: Mapping[str, int] = attrs.field(factory=dict[str, int])
    count: int = 0

    def add_text(self, item_id: str, text: str) -> tuple[CodexText, Events]:
        """Take a delta. The oldest message ends where too many are open."""
        if not text:
            return self, ()
        item_id = bounded_id(item_id)
        known = self.open.get(item_id)
        if known is not None:
            reported = StreamedMessage(item=known.item, reported=known.reported + len(text))
            after = attrs.evolve(self, open={**self.open, item_id: reported})
            return after, (MessageDelta(item=known.item, text=text),)
        messages = dict(self.open)
        ended: Events = ()
        if len(messages) >= _MAX_OPEN:
            ended = (MessageCompleted(item=messages.pop(next(iter(messages))).item),)
        item = ProviderItemId(f"message-{self.count + 1}")
        messages[item_id] = StreamedMessage(item=item, reported=len(text))
        after = CodexText(open=messages, cut_off=_without_key(self.cut_off, item_id), count=self.count + 1)
        return after, (*ended, MessageDelta(item=item, text=text))

    def complete(self, item_id: str, text: str) -> tuple[CodexText, Events]:
        """Take a completed message."""
        item_id = bounded_id(item_id)
        cut_off = self.cut_off.get(item_id, 0)
        after = attrs.evolve(self, cut_off=_without_key(self.cut_off, item_id))
        said: Events = ()
        if item_id not in after.open:
            after, said = after.add_text(item_id, text[cut_off:])
        message = after.open.get(item_id)
        if message is None:
            return after, said
        return attrs.evolve(after, open=_without_key(after.open, item_id)), (*said, MessageCompleted(item=message.item))

    def end_turn(self) -> tuple[CodexText, Events]:
        """End every message."""
        cut_off = {item_id: message.reported for item_id, message in self.open.items()}
        ended = tuple(MessageCompleted(item=message.item) for message in self.open.values())
        return attrs.evolve(self, open={}, cut_off=cut_off), ended

    def begin_turn(self) -> CodexText:
        """Forget the open messages, which were streamed between turns."""
        return attrs.evolve(self, open={})


def _without_key(mapping: Mapping[str, T], key: str) -> Mapping[str, T]:
    return {one: value for one, value in mapping.items() if one != key} if key in mapping else mapping
