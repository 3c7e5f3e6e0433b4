"""An agent's streamed messages: the open ones, their ids, and how much of each is kept.

- A message is completed once. Text that continues a completed one opens a new message under an id of its own.
- A message keeps at most `MAX_MESSAGE_BYTES`; then only its characters are counted, and its end counts the cut.
- At most `MAX_OPEN_MESSAGES` are open in a session: the oldest is completed before another opens.
- Text that comes between turns belongs to the turn before. Before the session's first turn there is none: such text
  becomes a notice of the session.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..contracts.commands import ThreadMessageAssistantComplete, ThreadMessageAssistantDelta
from ..contracts.cut_markers import cut_marker, uncut
from ..contracts.ids import MessageId, ProviderItemId
from ..contracts.provider_events import MessageDelta
from ..contracts.text_repair import first_bytes, repaired
from ..contracts.values import MAX_MESSAGE_BYTES, UNSET, Instant
from .session_commands import (
    IngestedCommand,
    IngestState,
    OpenMessage,
    activity,
    another_message_id,
    command,
    message_id,
    numbered,
)

LATE_SILENCE_SECONDS: Final = 2.0
"""How long text that came between turns may be followed by more of its message."""
MAX_OPEN_MESSAGES: Final = 64
_MAX_REMEMBERED: Final = 256
_MAX_NOTICE_CHARACTERS: Final = 16 * 1024

Ingested = tuple[IngestState, tuple[IngestedCommand, ...]]


def continue_message(state: IngestState, event: MessageDelta, now: Instant) -> Ingested:
    """Take text of a message; the first text opens it."""
    text = repaired(event.text)
    if state.belongs_to is None:
        room = _MAX_NOTICE_CHARACTERS - len(state.early_text)
        return attrs.evolve(state, early_text=state.early_text + text[:room]), ()
    commands: list[IngestedCommand] = []
    known = state.open_message(event.item)
    if known is None:
        while len(state.open_messages) >= MAX_OPEN_MESSAGES:
            state, completed = _complete(state, state.open_messages[0], now)
            commands += completed
        known = OpenMessage(item=event.item, id=_fresh_id(state, event.item))
    state, added = _append(state, known, text, now)
    return state, (*commands, *added)


def complete_message(state: IngestState, item: ProviderItemId, now: Instant) -> Ingested:
    """End a message. One that had no text yet is empty; one that is over or may be, and any between turns, stays as it
    is."""
    known = state.open_message(item)
    if known is not None:
        return _complete(state, known, now)
    message = message_id(state.provider_session_id, item)
    if state.turn_id is None or message in state.completed_messages or _may_have_forgotten(state):
        return state, ()
    return _complete(state, OpenMessage(item=item, id=message), now)


def complete_messages(state: IngestState, now: Instant) -> Ingested:
    """End every message that is open, and report text from before the session's first turn."""
    commands: list[IngestedCommand] = []
    for message in state.open_messages:
        state, completed = _complete(state, message, now)
        commands += completed
    if state.early_text.strip():
        noticed = activity(
            state,
            now,
            tone="info",
            kind="session.notice",
            summary=state.early_text.strip(),
            payload={"text": state.early_text},
            outside_turn=True,
        )
        state = numbered(state, noticed)
        commands.append(noticed)
    return attrs.evolve(state, early_text=""), tuple(commands)


def _append(state: IngestState, message: OpenMessage, text: str, now: Instant) -> Ingested:
    kept, cut = text, 0
    size = len(text) if text.isascii() else len(text.encode())
    if message.size + size > MAX_MESSAGE_BYTES:
        left, gone = uncut(text)
        kept = "" if message.cut else first_bytes(left, MAX_MESSAGE_BYTES - message.size)
        size, cut = len(kept.encode()), len(left) - len(kept) + gone
    grown = attrs.evolve(message, size=message.size + size, cut=message.cut + cut)
    others = tuple(one for one in state.open_messages if one.item != message.item)
    state = attrs.evolve(state, open_messages=(*others, grown))
    if not kept and text:
        return state, ()
    delta = _delta(state, message, kept, now)
    return numbered(state, delta), (delta,)


def _complete(state: IngestState, message: OpenMessage, now: Instant) -> Ingested:
    commands: list[IngestedCommand] = []
    if message.cut:
        marker = _delta(state, message, cut_marker(message.cut), now)
        state = numbered(state, marker)
        commands.append(marker)
    completed = command(
        state,
        lambda command_id: ThreadMessageAssistantComplete(
            command_id=command_id,
            thread_id=state.thread_id,
            message_id=message.id,
            turn_id=state.belongs_to or UNSET,
            created_at=now,
        ),
        item=message.item,
    )
    after = attrs.evolve(
        state,
        open_messages=tuple(one for one in state.open_messages if one.item != message.item),
        completed_messages=(*state.completed_messages[-_MAX_REMEMBERED + 1 :], message.id),
    )
    return numbered(after, completed), (*commands, completed)


def _delta(state: IngestState, message: OpenMessage, text: str, now: Instant) -> IngestedCommand:
    delta = command(
        state,
        lambda command_id: ThreadMessageAssistantDelta(
            command_id=command_id,
            thread_id=state.thread_id,
            message_id=message.id,
            delta=text,
            turn_id=state.belongs_to or UNSET,
            created_at=now,
        ),
        item=message.item,
    )
    # What holds for a whole session is in its session-sets, not in each piece of text.
    return attrs.evolve(delta, metadata=attrs.evolve(delta.metadata, provider_thread_id=None, adapter_key=None))


def _fresh_id(state: IngestState, item: ProviderItemId) -> MessageId:
    """The id of a message that opens: its item's, unless a message that is over has it, or may have it."""
    derived = message_id(state.provider_session_id, item)
    if derived not in state.completed_messages and not _may_have_forgotten(state):
        return derived
    return another_message_id(state.provider_session_id, item, state.count + 1)


def _may_have_forgotten(state: IngestState) -> bool:
    """Whether the session may have completed more messages than are remembered."""
    return len(state.completed_messages) >= _MAX_REMEMBERED
