"""The text that Claude Code streams: which message it belongs to, which blocks are open, the key of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import MessageCompleted, MessageDelta
from .tools import MAX_REMEMBERED

__all__ = ["StreamedText"]


@attrs.frozen(kw_only=True)
class StreamedText:
    """`message_id` is the message that streams, `messages` are all that did in this turn.

    `blocks` has the open blocks' keys by their index as text, `used` how many blocks had each key in this turn.
    """

    message_id: str = ""
    messages: frozenset[str] = frozenset()
    blocks: Mapping[str, ProviderItemId] = attrs.field(factory=dict[str, ProviderItemId])
    used: Mapping[str, int] = attrs.field(factory=dict[str, int])

    def begin_turn(self) -> StreamedText:
        """Forget what streamed in the turn before. A message that goes on is the same one."""
        return StreamedText(message_id=self.message_id)

    def begin_message(self, message_id: str) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        """Another message begins; the open blocks of the one before have no end of their own."""
        after, events = self.end_blocks()
        messages = self.messages if len(self.messages) < MAX_REMEMBERED else frozenset[str]()
        return attrs.evolve(after, message_id=message_id, messages=messages | {message_id}), events

    def add(self, index: int, text: str) -> tuple[StreamedText, tuple[MessageDelta, ...]]:
        """Text of a block. What goes on after the block's end was reported is another message, with its own key."""
        open_item = self.blocks.get(str(index))
        if open_item is not None:
            return self, (MessageDelta(item=open_item, text=text),)
        key = f"{self.message_id}/{index}"
        times = self.used.get(key, 0) + 1
        item = ProviderItemId(key if times == 1 else f"{key}.{times}")
        after = attrs.evolve(self, blocks={**self.blocks, str(index): item}, used={**self.used, key: times})
        return after, (MessageDelta(item=item, text=text),)

    def end_block(self, index: int) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        item = self.blocks.get(str(index))
        if item is None:
            return self, ()
        left = {key: one for key, one in self.blocks.items() if key != str(index)}
        return attrs.evolve(self, blocks=left), (MessageCompleted(item=item),)

    def end_blocks(self) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        """End what is open, in the order in which it was opened."""
        if not self.blocks:
            return self, ()
        return attrs.evolve(self, blocks={}), tuple(MessageCompleted(item=item) for item in self.blocks.values())
