"""Ingestion: what an agent reports becomes internal commands. Pure; the session that owns the agent sends them.

Commands are numbered here, after coalescing. An agent's report on a turn that is over leads to nothing that could
open or end one; an event's detail never replaces the ids that the runtime gives.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..contracts.blobs import blob_of
from ..contracts.commands import ThreadTurnDiffComplete
from ..contracts.events import EventMetadata
from ..contracts.ids import CommandId, ThreadId, TurnId, runtime_id
from ..contracts.provider_events import (
    ApprovalResolved,
    AttachmentProduced,
    CheckpointCaptured,
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    RuntimeErrorReported,
    SessionExited,
    SessionStarted,
    ThreadStarted,
    TurnCompleted,
    TurnStarted,
)
from ..contracts.text_repair import bounded_text
from ..contracts.values import (
    MAX_ERROR_BYTES,
    FailureReason,
    Instant,
    JsonObject,
    SessionStatus,
)
from .activities import append_activity
from .agent_activities import activity_of
from .agent_messages import complete_message, complete_messages, continue_message
from .attachments import ATTACHMENT_STORED, stored_payload
from .failures import NO_REASON_GIVEN, TURN_FAILED, WAY_TO_START_AFRESH, failure_payload
from .session_commands import (
    IngestedCommand,
    IngestState,
    activity,
    closed,
    identifier_or_none,
    numbered,
    session_set,
)

_AFTER_TURN: Final[dict[str, SessionStatus]] = {
    "completed": "ready",
    "failed": "error",
    "cancelled": "interrupted",
    "interrupted": "interrupted",
}

_MAY_BE_THE_CONVERSATION: Final[tuple[FailureReason | None, ...]] = (
    None,
    "unknown",
    "refused",
    "protocol",
    "context_full",
)
"""Reasons of a failed turn that may lie in the conversation, rather than in an account or a limit."""


def ingest(
    state: IngestState, event: ProviderRuntimeEvent, now: Instant
) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    """The state after an agent's event, and the commands that it leads to, in order."""
    if state.turn_id is not None or isinstance(event, MessageDelta):
        return _ingest(state, event, now)
    # Between turns every event but text completes the open messages, as the end of the turn did before.
    state, completions = complete_messages(state, now)
    state, commands = _ingest(state, event, now)
    return state, (*completions, *commands)


def _ingest(
    state: IngestState, event: ProviderRuntimeEvent, now: Instant
) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    match event:
        case SessionStarted(provider_thread_id=thread) | ThreadStarted(provider_thread_id=thread):
            named = None if thread is None else identifier_or_none(thread)
            attached = attrs.evolve(state, provider_thread_id=named or state.provider_thread_id)
            return _sent(attached, session_set(attached, "ready" if state.turn_id is None else "running", now))
        case TurnStarted():
            turn = event.provider_turn_id
            return attrs.evolve(state, provider_turn_id=None if turn is None else identifier_or_none(turn)), ()
        case MessageDelta():
            return continue_message(state, event, now)
        case MessageCompleted():
            return complete_message(state, event.item, now)
        case TurnCompleted() if state.turn_id is None:
            return state, ()
        case TurnCompleted():
            if event.outcome == "completed":
                return _end_turn(attrs.evolve(state, resumed=False), "ready", now, _EndCause(event.error))
            return _end_turn(state, _AFTER_TURN[event.outcome], now, _cause_of_failure(state, event))
        case SessionExited():
            return _exit(state, event, now)
        case RuntimeErrorReported():
            reported = activity(
                state,
                now,
                tone="error",
                kind="runtime.error",
                summary=event.message,
                payload={**event.detail, "message": event.message, **_reason(event.reason)},
                outside_turn=event.fatal and state.turn_id is None,
            )
            after, commands = _sent(state, reported)
            if not event.fatal:
                return after, commands
            after, ending = _end_turn(after, "error", now, _EndCause(event.message, event.reason))
            fatal = attrs.evolve(after, fatal_error=event.message, fatal_reason=event.reason)
            return fatal, (*commands, *ending)
        case CheckpointCaptured():
            return _sent(state, *checkpoint_commands(state.thread_id, state.provider_session_id, event, now))
        case AttachmentProduced():
            return _sent(state, _attachment_stored(state, event, now))
        case ApprovalResolved():
            return _sent(closed(state, event.request), activity_of(state, event, now))
        case _:
            return _sent(state, activity_of(state, event, now))


def checkpoint_commands(
    thread_id: ThreadId, sender: str, event: CheckpointCaptured, now: Instant
) -> tuple[IngestedCommand, ...]:
    """What a captured checkpoint leads to. `sender` begins the commands' ids.

    No session is named in the metadata: a checkpoint outlives the session of its turn.
    """
    diff = ThreadTurnDiffComplete(
        command_id=CommandId(runtime_id(sender, "diff", event.turn_id)),
        thread_id=thread_id,
        turn_id=event.turn_id,
        completed_at=now,
        checkpoint_ref=event.ref,
        status=event.status,
        files=event.files,
        checkpoint_turn_count=event.turn_count,
        created_at=now,
    )
    noted = append_activity(
        CommandId(runtime_id(sender, "captured", event.turn_id)),
        thread_id,
        tone="info" if event.status == "ready" else "error",
        kind="checkpoint.captured",
        summary=event.summary,
        payload={"turnCount": event.turn_count, "status": event.status, "files": len(event.files)},
        turn_id=event.turn_id,
        now=now,
    )
    return (
        IngestedCommand(command=diff, metadata=EventMetadata()),
        IngestedCommand(command=noted, metadata=EventMetadata()),
    )


def _sent(state: IngestState, *commands: IngestedCommand) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    return numbered(state, *commands), commands


@attrs.frozen
class _EndCause:
    """Why a turn or a session ended, as far as it is known."""

    error: str | None
    reason: FailureReason | None = None
    retry_at: Instant | None = None


def _cause_of_failure(state: IngestState, event: TurnCompleted) -> _EndCause:
    """Of a conversation that was resumed and has not worked since, the error names the way to leave it."""
    error = event.error
    if event.outcome == "failed" and state.resumed and event.reason in _MAY_BE_THE_CONVERSATION:
        error = f"{error or NO_REASON_GIVEN}; {WAY_TO_START_AFRESH}"
    return _EndCause(error, event.reason, event.retry_at)


def _end_turn(
    state: IngestState, status: SessionStatus, now: Instant, why: _EndCause
) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    """Complete what still streams, report why the turn failed if it did, then a status that names no turn."""
    state, commands = complete_messages(state, now)
    if status == "error" and state.turn_id is not None:
        failed = _turn_failed(state, state.turn_id, why, now)
        state = numbered(state, failed)
        commands = (*commands, failed)
    over = attrs.evolve(state, turn_id=None, last_turn_id=state.belongs_to, provider_turn_id=None, asked_again=())
    if status == "error":
        over = attrs.evolve(over, last_error=why.error)
    ended = session_set(over, status, now, error=why.error)
    return numbered(over, ended), (*commands, ended)


def _turn_failed(state: IngestState, turn_id: TurnId, why: _EndCause, now: Instant) -> IngestedCommand:
    message = bounded_text(why.error or NO_REASON_GIVEN, MAX_ERROR_BYTES)
    retry = {} if why.retry_at is None else {"retryAt": why.retry_at}
    return activity(
        state,
        now,
        tone="error",
        kind=TURN_FAILED,
        summary=message,
        payload={**failure_payload(turn_id, why.reason, message), **retry},
    )


def _exit(state: IngestState, event: SessionExited, now: Instant) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    """A status that no session follows: stopped where it was asked for, else why it ended.

    An agent that ended between turns has no turn: a separate activity reports it, which no later status covers.
    """
    if state.fatal_error is not None:
        return _end_turn(state, "error", now, _EndCause(state.fatal_error, state.fatal_reason))
    if event.asked:
        return _end_turn(state, "stopped", now, _EndCause(None))
    code = "" if event.exit_code is None else f" with exit status {event.exit_code}"
    tail = event.stderr_tail.strip()
    error = f"the agent process ended{code}{': ' if tail else ''}{tail}"
    ended = attrs.evolve(state, fatal_error=error, fatal_reason="agent_crashed")
    if state.turn_id is not None:
        return _end_turn(ended, "error", now, _EndCause(error, "agent_crashed"))
    payload = {"message": bounded_text(error, MAX_ERROR_BYTES), **_reason("agent_crashed")}
    died = activity(ended, now, tone="error", kind="runtime.error", summary=error, payload=payload, outside_turn=True)
    after, commands = _end_turn(numbered(ended, died), "error", now, _EndCause(error, "agent_crashed"))
    return after, (died, *commands)


def _attachment_stored(state: IngestState, event: AttachmentProduced, now: Instant) -> IngestedCommand:
    """The activity that refers to an agent's attachment, with its bytes beside it."""
    blob = blob_of(event.content)
    name = event.name or event.media_type.replace("/", ".").partition("+")[0]
    message = None if event.item is None else state.open_message(event.item)
    belongs_to: JsonObject = {}
    if message is not None:
        belongs_to = {"messageId": message.id}
    elif event.item is not None:
        belongs_to = {"itemId": event.item}
    command = activity(
        state,
        now,
        tone="info",
        kind=ATTACHMENT_STORED,
        summary=f"{name} ({len(event.content)} bytes)",
        payload={**stored_payload(name, event.media_type, blob), **belongs_to},
        item=event.item,
    )
    return attrs.evolve(command, blobs=(blob,))


def _reason(reason: FailureReason | None) -> JsonObject:
    return {} if reason is None else {"reason": reason}
