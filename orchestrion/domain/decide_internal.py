"""What the runtime's own actors report about a thread: a provider session's progress, diffs, reverts.

A provider session that was replaced writes nothing: a command that names another session than the current one is
rejected.
"""

from __future__ import annotations

from typing import assert_never

import attrs

from ..contracts.commands import (
    InternalCommand,
    ThreadActivityAppend,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadMessageImport,
    ThreadRevertComplete,
    ThreadSessionSet,
    ThreadTurnDiffComplete,
    ThreadTurnSteerQueue,
)
from ..contracts.events import (
    EventMetadata,
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from ..contracts.ids import EventId, MessageId
from ..contracts.values import UNSET, Count, OpenedTurn
from .approvals import REQUESTED, request_id_of
from .decision import Decision, DecisionRequest, DraftEvent, Rejection, one
from .state import DecisionState, MessageFact, OpenIntent, ThreadState
from .steering import STEERED, queue_steering, record_steered


def decide_internal(
    state: DecisionState, thread: ThreadState, command: InternalCommand, request: DecisionRequest
) -> Decision:
    """Decide a command of one of the runtime's own actors for a thread that exists."""
    if is_from_replaced_session(thread, request.metadata):
        current = None if thread.session is None else thread.session.provider_session_id
        return Rejection(
            reason=f"provider session {request.metadata.provider_session_id!r} is not the current one of thread "
            f"{thread.thread_id!r}: that is {current!r}"
        )
    match command:
        case ThreadSessionSet():
            return _set_session(state, thread, command, request)
        case ThreadMessageAssistantDelta():
            return _continue_message(state, thread, command, request)
        case ThreadMessageAssistantComplete():
            return _complete_message(state, thread, command, request)
        case ThreadMessageImport():
            return _import_message(state, thread, command, request)
        case ThreadTurnSteerQueue():
            return queue_steering(thread, command, request)
        case ThreadTurnDiffComplete():
            return _complete_diff(thread, command, request)
        case ThreadActivityAppend():
            return _append_activity(state, thread, command, request)
        case ThreadRevertComplete():
            return _complete_revert(state, thread, command, request)
        case _:
            assert_never(command)


def is_from_replaced_session(thread: ThreadState, metadata: EventMetadata) -> bool:
    """Whether a command with this metadata comes from a session that is not the thread's current one."""
    sender = metadata.provider_session_id
    return sender is not None and (thread.session is None or sender != thread.session.provider_session_id)


def _set_session(
    state: DecisionState, thread: ThreadState, command: ThreadSessionSet, request: DecisionRequest
) -> Decision:
    session = command.session
    opens = (
        session.status == "running"
        and session.active_turn_id is not None
        and session.active_turn_id not in thread.turns
        and not thread.deleted
    )
    event = ThreadSessionSetEvent(thread_id=thread.thread_id, session=session, created_at=command.created_at)
    if not opens:
        return one(event, command.created_at, request)
    assert session.active_turn_id is not None
    owner = state.owner_of_turn(session.active_turn_id)
    if owner is not None:
        return Rejection(reason=f"turn {session.active_turn_id!r} belongs to thread {owner!r}")
    by_agent = command.turn_origin == "agent"
    if by_agent and thread.running_turn_id is not None:
        return Rejection(reason=f"turn {thread.running_turn_id!r} runs on thread {thread.thread_id!r}")
    queued = thread.queued_start(session.active_turn_id) or next(iter(thread.queued_starts), None)
    start = None if by_agent else queued
    turn = OpenedTurn(
        turn_count=Count(thread.highest_turn_count + 1),
        user_message_id=None if start is None else start.message_id,
        started_at=command.created_at,
        origin="agent" if by_agent else UNSET,
    )
    return (
        DraftEvent(
            payload=attrs.evolve(event, turn=turn),
            occurred_at=command.created_at,
            caused_by=request.caused_by if start is None else start.event_id,
        ),
    )


def _append_activity(
    state: DecisionState, thread: ThreadState, command: ThreadActivityAppend, request: DecisionRequest
) -> Decision:
    activity = command.activity
    if activity.kind == STEERED:
        return record_steered(thread, command, request)
    if activity.kind in REQUESTED and (asked := request_id_of(activity, request.metadata)) is not None:
        owner = state.owner_of_approval(asked)
        if owner is not None and owner != thread.thread_id:
            return Rejection(reason=f"approval request {asked!r} belongs to thread {owner!r}")
    event = ThreadActivityAppended(thread_id=thread.thread_id, activity=activity, created_at=command.created_at)
    return one(event, command.created_at, request)


def _continue_message(
    state: DecisionState, thread: ThreadState, command: ThreadMessageAssistantDelta, request: DecisionRequest
) -> Decision:
    known = state.message(command.message_id)
    breach = _foreign_message(thread, command.message_id, known)
    if breach is not None:
        return breach
    if known is not None and not known.streaming:
        return Rejection(reason=f"message {command.message_id!r} of thread {thread.thread_id!r} is complete")
    return one(_assistant_text(command, command.delta, streaming=True), command.created_at, request)


def _complete_message(
    state: DecisionState, thread: ThreadState, command: ThreadMessageAssistantComplete, request: DecisionRequest
) -> Decision:
    breach = _foreign_message(thread, command.message_id, state.message(command.message_id))
    return breach or one(_assistant_text(command, "", streaming=False), command.created_at, request)


def _import_message(
    state: DecisionState, thread: ThreadState, command: ThreadMessageImport, request: DecisionRequest
) -> Decision:
    if state.message(command.message_id) is not None:
        return Rejection(reason=f"message {command.message_id!r} exists already")
    sent = ThreadMessageSent(
        thread_id=thread.thread_id,
        message_id=command.message_id,
        role=command.role,
        text=command.text,
        turn_id=None,
        streaming=False,
        created_at=command.created_at,
        updated_at=command.created_at,
    )
    return one(sent, command.created_at, request)


def _foreign_message(thread: ThreadState, message_id: MessageId, known: MessageFact | None) -> Rejection | None:
    if known is None:
        return None
    if known.thread_id != thread.thread_id:
        return Rejection(reason=f"message {message_id!r} belongs to thread {known.thread_id!r}")
    if known.role != "assistant":
        return Rejection(reason=f"message {message_id!r} of thread {thread.thread_id!r} is a {known.role}'s")
    return None


def _assistant_text(
    command: ThreadMessageAssistantDelta | ThreadMessageAssistantComplete, text: str, *, streaming: bool
) -> ThreadMessageSent:
    return ThreadMessageSent(
        thread_id=command.thread_id,
        message_id=command.message_id,
        role="assistant",
        text=text,
        turn_id=None if command.turn_id is UNSET else command.turn_id,
        streaming=streaming,
        created_at=command.created_at,
        updated_at=command.created_at,
    )


def _complete_diff(thread: ThreadState, command: ThreadTurnDiffComplete, request: DecisionRequest) -> Decision:
    turn = thread.turns.get(command.turn_id)
    if turn is None:
        return Rejection(reason=f"turn {command.turn_id!r} is no turn of thread {thread.thread_id!r}")
    if turn.turn_count != command.checkpoint_turn_count:
        return Rejection(
            reason=f"turn {command.turn_id!r} of thread {thread.thread_id!r} is number {turn.turn_count}, "
            f"not {command.checkpoint_turn_count}"
        )
    return one(
        ThreadTurnDiffCompleted(
            thread_id=thread.thread_id,
            turn_id=command.turn_id,
            checkpoint_turn_count=command.checkpoint_turn_count,
            checkpoint_ref=command.checkpoint_ref,
            status=command.status,
            files=command.files,
            assistant_message_id=None if command.assistant_message_id is UNSET else command.assistant_message_id,
            completed_at=command.completed_at,
            created_at=command.created_at,
        ),
        command.created_at,
        request,
    )


def _complete_revert(
    state: DecisionState, thread: ThreadState, command: ThreadRevertComplete, request: DecisionRequest
) -> Decision:
    if thread.running_turn_id is not None:
        return Rejection(reason=f"turn {thread.running_turn_id!r} runs on thread {thread.thread_id!r}")
    if command.turn_count > thread.highest_turn_count:
        return Rejection(
            reason=f"thread {thread.thread_id!r} has {thread.highest_turn_count} turns, not {command.turn_count}"
        )
    by_count = sorted(thread.turns.items(), key=lambda item: item[1].turn_count)
    kept = [turn_id for turn_id, turn in by_count if turn.turn_count <= command.turn_count]
    removed = {turn_id: turn for turn_id, turn in by_count if turn.turn_count > command.turn_count}
    asked = [turn.user_message_id for turn in removed.values() if turn.user_message_id is not None]
    answered = state.messages_of(thread.thread_id, frozenset(removed))
    return one(
        ThreadReverted(
            thread_id=thread.thread_id,
            turn_count=command.turn_count,
            removed_turn_ids=tuple(removed),
            removed_message_ids=tuple(dict.fromkeys((*asked, *answered))),
            latest_turn_id=kept[-1] if kept else None,
            created_at=command.created_at,
        ),
        command.created_at,
        attrs.evolve(request, caused_by=request.caused_by or _open_revert(thread, command.turn_count)),
    )


def _open_revert(thread: ThreadState, turn_count: int) -> EventId | None:
    reverts: tuple[OpenIntent, ...] = tuple(
        intent for intent in thread.open_intents.values() if intent.kind == "checkpoint-revert"
    )
    return next((intent.event_id for intent in reverts if intent.turn_count == turn_count), None)
