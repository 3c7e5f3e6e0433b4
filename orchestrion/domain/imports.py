"""What the import of an agent's conversation adds to a thread, as commands. Pure.

Every id is derived from the provider's name, the agent's id of the conversation and the place of an item in it. So the
same conversation gives the same commands, and what is there already is not sent again. What is imported is of no turn.

A conversation that has grown adds what is new at the end. Nothing is added where the thread has turns of its own, since
the agent's records of those turns would come a second time, or where what was imported reads differently now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import attrs

from ..contracts.commands import ThreadActivityAppend, ThreadCreate, ThreadMessageImport
from ..contracts.conversations import ConversationHistory, PastActivity, PastItem, PastMessage
from ..contracts.events import NO_METADATA
from ..contracts.ids import (
    MAX_IDENTIFIER_LENGTH,
    RUNTIME_MARK,
    CommandId,
    MessageId,
    ProjectId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    identifier_fault,
    runtime_id,
)
from ..contracts.provider_events import PlanUpdated, ReasoningCompleted, SessionNotice, ToolCompleted
from ..contracts.read_model import ThreadView
from ..contracts.text_repair import bounded_text, repaired
from ..contracts.values import EPOCH, MAX_MESSAGE_BYTES, UNSET, Instant, Label
from .activities import append_activity
from .agent_activities import activity_of
from .event_bounds import bounded_event
from .session_commands import IngestedCommand, IngestState, command, session_set

__all__ = ["ImportPlan", "ImportRefusal", "import_thread_id", "is_imported", "plan_import"]

IMPORTED: Final = "conversation.imported"
_PREFIX: Final = "import"
_ROOM: Final = MAX_IDENTIFIER_LENGTH - 32
"""Characters of a derived id that its conversation's part may take; the rest is for what is below it."""
_MAX_TITLE: Final = 80
_MAX_FAULTS: Final = 20
_NOBODY: Final = IngestState(
    thread_id=ThreadId("-"),
    provider_session_id=ProviderSessionId("-"),
    provider_name=Label("-"),
    adapter_key=Label("-"),
)
"""For commands of which only the content is looked at."""


@attrs.frozen(kw_only=True)
class ImportPlan:
    """What to send, in order. `create` makes the thread, None where it is there. `added` counts the new items."""

    state: IngestState
    create: ThreadCreate | None
    commands: tuple[IngestedCommand, ...]
    added: int


@attrs.frozen(kw_only=True)
class ImportRefusal:
    """Why nothing is added."""

    outcome: Literal["continued", "refused"]
    reason: str


def import_thread_id(provider: str, session_id: ProviderThreadId) -> ThreadId:
    """The id of the thread that a conversation becomes."""
    return ThreadId(runtime_id(_below_import(provider, session_id)))


def is_imported(thread_id: ThreadId) -> bool:
    """Whether a thread began as an agent's conversation, so that its agent has one before the thread's first turn."""
    return thread_id.startswith(f"{RUNTIME_MARK}{_PREFIX}/")


def plan_import(
    history: ConversationHistory,
    *,
    provider_name: Label,
    adapter_key: Label,
    project_id: ProjectId,
    known: ThreadView | None,
    now: Instant,
) -> ImportPlan | ImportRefusal:
    """What makes the thread `known`, None where there is none, show the whole history. `known` is in full."""
    conversation = history.conversation
    state = IngestState(
        thread_id=import_thread_id(provider_name, conversation.session_id),
        provider_session_id=ProviderSessionId(_below_import(provider_name, conversation.session_id)),
        provider_name=provider_name,
        adapter_key=adapter_key,
        provider_thread_id=conversation.session_id,
    )
    there = {} if known is None else _imported_items(state, known)
    refusal = None if known is None else _refusal(history, known, there)
    if refusal is not None:
        return refusal
    at = conversation.created_at or now
    is_bound = known is not None and known.session is not None
    commands = [] if is_bound else [_bind(state, at)]
    added = 0
    for number, item in enumerate(history.items, start=1):
        at = item.at or at
        if number not in there:
            commands.append(_item_command(attrs.evolve(state, count=number - 1), item, at))
            added += 1
    if added:
        commands.append(_note_import(state, history, added, now))
    create = None if known is not None else _thread_create(state, history, project_id, now)
    return ImportPlan(state=state, create=create, commands=tuple(commands), added=added)


def _refusal(history: ConversationHistory, known: ThreadView, there: Mapping[int, str]) -> ImportRefusal | None:
    if known.deleted_at is not None:
        return ImportRefusal(outcome="refused", reason=f"thread {known.id!r} was deleted")
    if known.turns:
        return ImportRefusal(
            outcome="continued",
            reason=f"thread {known.id!r} has gone on here with turns of its own, which the agent keeps as well:"
            " nothing is added",
        )
    for number, content in there.items():
        now = None if number > len(history.items) else _content_of(history.items[number - 1])
        if now != content:
            return ImportRefusal(
                outcome="refused",
                reason=f"item {number} of the conversation reads differently than when thread {known.id!r} was made of"
                " it: the agent took turns back or compacted it; delete the thread, or keep it as it is",
            )
    return None


def _imported_items(state: IngestState, known: ThreadView) -> Mapping[int, str]:
    """The content of what was imported before, by its number."""
    content: dict[str, str] = {}
    if known.messages is not UNSET:
        content.update((one.id, one.text) for one in known.messages)
    if known.activities is not UNSET:
        content.update((one.id, f"{one.kind}: {one.summary}") for one in known.activities)
    below = runtime_id(state.provider_session_id, "")
    numbers = ((name.removeprefix(below), text) for name, text in content.items() if name.startswith(below))
    return {int(number): text for number, text in numbers if number.isdecimal()}


def _content_of(item: PastItem) -> str:
    """What is compared to know an item again."""
    if isinstance(item, PastMessage):
        return _text_of(item)
    appended = _activity(_NOBODY, item, EPOCH).command
    assert isinstance(appended, ThreadActivityAppend)
    return f"{appended.activity.kind}: {appended.activity.summary}"


def _item_command(state: IngestState, item: PastItem, at: Instant) -> IngestedCommand:
    if isinstance(item, PastActivity):
        return _activity(state, item, at)
    return command(
        state,
        lambda command_id: ThreadMessageImport(
            command_id=command_id,
            thread_id=state.thread_id,
            message_id=MessageId(command_id),
            role=item.role,
            text=_text_of(item),
            created_at=at,
        ),
    )


def _activity(state: IngestState, item: PastActivity, at: Instant) -> IngestedCommand:
    event = bounded_event(item.event)
    assert isinstance(event, ToolCompleted | ReasoningCompleted | PlanUpdated | SessionNotice)
    return activity_of(state, event, at)


def _text_of(message: PastMessage) -> str:
    return bounded_text(repaired(message.text), MAX_MESSAGE_BYTES)


def _bind(state: IngestState, at: Instant) -> IngestedCommand:
    """The command that names the conversation's session as the thread's. It comes from no session: none is there."""
    bound = session_set(state, "stopped", at).command
    named = attrs.evolve(bound, command_id=CommandId(runtime_id(state.provider_session_id, "session")))
    return IngestedCommand(command=named, metadata=NO_METADATA)


def _note_import(state: IngestState, history: ConversationHistory, added: int, now: Instant) -> IngestedCommand:
    conversation, total = history.conversation, len(history.items)
    faults = {"faults": list(history.faults[:_MAX_FAULTS])} if history.faults else {}
    noted = append_activity(
        CommandId(runtime_id(state.provider_session_id, "added", str(total))),
        state.thread_id,
        tone="info",
        kind=IMPORTED,
        summary=f"Imported {added} items of a conversation of {state.provider_name}",
        payload={"sessionId": conversation.session_id, "directory": conversation.directory, "items": added, **faults},
        now=now,
    )
    return IngestedCommand(command=noted, metadata=NO_METADATA)


def _thread_create(
    state: IngestState, history: ConversationHistory, project_id: ProjectId, now: Instant
) -> ThreadCreate:
    conversation = history.conversation
    title = " ".join(repaired(conversation.title).split())[:_MAX_TITLE]
    return ThreadCreate(
        command_id=CommandId(runtime_id(state.provider_session_id, "thread")),
        thread_id=state.thread_id,
        project_id=project_id,
        title=Label(title or f"A conversation of {state.provider_name}"),
        provider=state.provider_name,
        branch=None,
        worktree_path=None,
        created_at=conversation.created_at or now,
    )


def _below_import(provider: str, session_id: str) -> str:
    """The beginning of a conversation's ids; a digest stands for what is too long or has control characters."""
    whole = f"{_PREFIX}/{provider}/{session_id}"
    if len(whole) <= _ROOM and identifier_fault(whole) is None:
        return whole
    digest = hashlib.blake2b(f"{provider}/{session_id}".encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{_PREFIX}/{digest}"
