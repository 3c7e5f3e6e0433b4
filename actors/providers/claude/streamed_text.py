"""The text that Claude Code streams: the message it belongs to, the open blocks and their keys. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import MessageCompleted, MessageDelta
from ..agent_ids import bounded_id
from .tools import MAX_REMEMBERED

__all__ = ["StreamedText"]

_MAX_OPEN: Final = 64


@attrs.frozen(kw_only=True)
class StreamedText:
    """`message_id` is the message that streams, `messages` are all messages that streamed in this turn.

    `blocks` has the keys of the open blocks by their index as text, at most 64; `used` counts the blocks of this turn
    with each key. `messages` and `used` are emptied where they grow too large.
    """

    message_id: str = ""
    messages: frozenset[str] = frozenset()
    blocks: Mapping[str, ProviderItemId] = attrs.field(factory=dict[str, ProviderItemId])
    used: Mapping[str, int] = attrs.field(factory=dict[str, int])

    def begin_turn(self) -> StreamedText:
        """Forget the messages of the turn before. A message that continues keeps its id."""
        return StreamedText(message_id=self.message_id)

    def begin_message(self, message_id: str) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        """Begin another message, and end the open blocks of the one before."""
        after, events = self.end_blocks()
        message_id = bounded_id(message_id)
        messages = self.messages if len(self.messages) < MAX_REMEMBERED else frozenset[str]()
        return attrs.evolve(after, message_id=message_id, messages=messages | {message_id}), events

    def has_streamed(self, message_id: str) -> bool:
        return bounded_id(message_id) in self.messages

    def add(self, index: int, text: str) -> tuple[StreamedText, tuple[MessageCompleted | MessageDelta, ...]]:
        """Add text to a block. Text after the reported end of its block is another message, with a key of its own."""
        open_item = self.blocks.get(str(index))
        if open_item is not None:
            return self, (MessageDelta(item=open_item, text=text),)
        key = f"{self.message_id}/{index}"
        times = self.used.get(key, 0) + 1
        item = ProviderItemId(key if times == 1 else f"{key}.{times}")
        after, ended = self.end_blocks() if len(self.blocks) >= _MAX_OPEN else (self, ())
        used = self.used if len(self.used) < MAX_REMEMBERED else {}
        after = attrs.evolve(after, blocks={**after.blocks, str(index): item}, used={**used, key: times})
        return after, (*ended, MessageDelta(item=item, text=text))

    def end_block(self, index: int) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        item = self.blocks.get(str(index))
        if item is None:
            return self, ()
        left = {key: one for key, one in self.blocks.items() if key != str(index)}
        return attrs.evolve(self, blocks=left), (MessageCompleted(item=item),)

    def end_blocks(self) -> tuple[StreamedText, tuple[MessageCompleted, ...]]:
        """End the open blocks, in the order in which they were opened."""
        if not self.blocks:
            return self, ()
        return attrs.evolve(self, blocks={}), tuple(MessageCompleted(item=item) for item in self.blocks.values())
