"""The message and the thought that an ACP agent is streaming, as a value. Pure.

The protocol has no items for text: a message ends where a tool call begins or ends, at a thought, another `messageId`,
a message of another (sub-)agent, or the turn's end. A thought is collected and reported when it is over.
"""

from __future__ import annotations

from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import (
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    SubagentMessage,
)
from ....contracts.values import JsonObject
from ..agent_ids import message_id_of
from ..images import images_in
from .meta import speaker_of
from .tool_call import content_text

__all__ = ["AcpText"]

_MAX_THOUGHT: Final = 64 * 1024

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class AcpText:
    """`message` is the key of the open message, `message_id` the agent's id of it, `count` the number of messages."""

    message: ProviderItemId | None = None
    message_id: str | None = None
    thought: str = ""
    speaker: tuple[str, ...] = ()
    count: int = 0
    subagent: ProviderItemId | None = None
    subagent_text: str = ""
    """What the sub-agent of that tool call has sent of its message: it is no message of the turn."""

    def add_text(self, update: JsonObject, *, subagent: ProviderItemId | None = None) -> tuple[AcpText, Events]:
        """Take an `agent_message_chunk`. `subagent` is the tool call that runs the sub-agent which it comes from."""
        text = content_text(update.get("content"))
        if not text:
            return self, images_in(update.get("content"), item=self.message)
        message_id = message_id_of(update.get("messageId"))
        after, ended = self._switch_speaker(speaker_of(update))
        after, thought = after.end_thought()
        ended += thought
        if subagent is not None:
            added = (after.subagent_text + text)[:_MAX_THOUGHT]
            return attrs.evolve(after, subagent=subagent, subagent_text=added), ended
        if after.message is not None and message_id != after.message_id:
            after, message = after._end_message()
            ended += message
        if after.message is None:
            item = ProviderItemId(f"message-{after.count + 1}")
            after = attrs.evolve(after, message=item, message_id=message_id, count=after.count + 1)
        else:
            item = after.message
        return after, (*ended, MessageDelta(item=item, text=text))

    def add_thought(self, update: JsonObject) -> tuple[AcpText, Events]:
        """Take an `agent_thought_chunk`."""
        after, ended = self._switch_speaker(speaker_of(update))
        after, message = after._end_message()
        text = content_text(update.get("content"))[: _MAX_THOUGHT - len(after.thought)]
        return attrs.evolve(after, thought=after.thought + text), (*ended, *message)

    def end(self) -> tuple[AcpText, Events]:
        """End the message, the sub-agent's message and the thought."""
        after, message = self._end_message()
        after, said = after._end_subagent()
        after, thought = after.end_thought()
        return after, (*message, *said, *thought)

    def end_thought(self) -> tuple[AcpText, Events]:
        if not self.thought:
            return self, ()
        events = (ReasoningCompleted(text=self.thought),) if self.thought.strip() else ()
        return attrs.evolve(self, thought=""), events

    def _end_subagent(self) -> tuple[AcpText, Events]:
        if self.subagent is None:
            return self, ()
        text = self.subagent_text
        events = (SubagentMessage(item=self.subagent, text=text),) if text.strip() else ()
        return attrs.evolve(self, subagent=None, subagent_text=""), events

    def _end_message(self) -> tuple[AcpText, Events]:
        if self.message is None:
            return self, ()
        return attrs.evolve(self, message=None, message_id=None), (MessageCompleted(item=self.message),)

    def _switch_speaker(self, speaker: tuple[str, ...]) -> tuple[AcpText, Events]:
        """Text of another (sub-)agent ends the open message."""
        if speaker == self.speaker:
            return self, ()
        after, ended = self.end()
        return attrs.evolve(after, speaker=speaker), ended
