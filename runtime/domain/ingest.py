"""Ingestion: what an agent reports becomes internal commands. Pure; the session that owns the agent sends them.

Ids are derived, never minted: command ids are `<providerSessionId>/<count>`, given here, after coalescing, so that a
command that was not answered is sent again as it was. Messages and approval requests of an agent get ids below its
session's, so that two lives of an agent never share one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

import attrs

from ..contracts.commands import (
    InternalCommand,
    ThreadActivityAppend,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadSessionSet,
    ThreadTurnDiffComplete,
)
from ..contracts.events import EventMetadata
from ..contracts.ids import (
    ActivityId,
    ApprovalRequestId,
    CommandId,
    MessageId,
    ProviderItemId,
    ProviderSessionId,
    ProviderThreadId,
    ProviderTurnId,
    ThreadId,
    TurnId,
)
from ..contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    CheckpointCaptured,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionExited,
    SessionStarted,
    ThreadStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
)
from ..contracts.values import UNSET, Activity, Instant, JsonObject, Label, Session, SessionStatus, Tone
from .approvals import REQUESTED, RESOLVED

_SUMMARY_CHARACTERS: Final = 200
_AFTER_TURN: Final[dict[str, SessionStatus]] = {
    "completed": "ready",
    "failed": "error",
    "cancelled": "interrupted",
    "interrupted": "interrupted",
}


@attrs.frozen(kw_only=True)
class IngestState:
    """One life of an agent process, as far as its commands need it. `count` numbers the commands."""

    thread_id: ThreadId
    provider_session_id: ProviderSessionId
    provider_name: Label
    adapter_key: Label
    provider_thread_id: ProviderThreadId | None = None
    provider_turn_id: ProviderTurnId | None = None
    turn_id: TurnId | None = None
    streaming: tuple[MessageId, ...] = ()
    fatal_error: str | None = None
    count: int = 0


@attrs.frozen(kw_only=True)
class IngestedCommand:
    """An internal command with the metadata that travels beside it."""

    command: InternalCommand
    metadata: EventMetadata


def message_id(session: ProviderSessionId, item: ProviderItemId) -> MessageId:
    """The id of an agent's message."""
    return MessageId(f"{session}/{item}")


def request_id(session: ProviderSessionId, request: ApprovalRequestId) -> ApprovalRequestId:
    """The id of an agent's approval request: its own, below its session's."""
    return ApprovalRequestId(f"{session}/{request}")


def own_request_id(session: ProviderSessionId, request: ApprovalRequestId) -> ApprovalRequestId | None:
    """The agent's own id of a request; None for a request of another session."""
    prefix = f"{session}/"
    return ApprovalRequestId(request.removeprefix(prefix)) if request.startswith(prefix) else None


def session_set(
    state: IngestState, status: SessionStatus, now: Instant, *, error: str | None = None
) -> IngestedCommand:
    """The command that reports the session's status; `state.turn_id` is the turn it names as active."""
    session = Session(
        thread_id=state.thread_id,
        status=status,
        provider_name=state.provider_name,
        provider_session_id=state.provider_session_id,
        provider_thread_id=state.provider_thread_id,
        active_turn_id=state.turn_id,
        last_error=error,
        updated_at=now,
    )
    return _command(
        state,
        lambda command_id: ThreadSessionSet(
            command_id=command_id, thread_id=state.thread_id, session=session, created_at=now
        ),
    )


def activity(
    state: IngestState,
    now: Instant,
    *,
    tone: Tone,
    kind: str,
    summary: str,
    payload: JsonObject,
    item: ProviderItemId | None = None,
    request: ApprovalRequestId | None = None,
) -> IngestedCommand:
    """The command that appends a line to the thread's history, in the running turn if there is one."""
    return _command(
        state,
        lambda command_id: ThreadActivityAppend(
            command_id=command_id,
            thread_id=state.thread_id,
            activity=Activity(
                id=ActivityId(command_id),
                tone=tone,
                kind=Label(kind),
                summary=summary[:_SUMMARY_CHARACTERS],
                payload=payload,
                turn_id=state.turn_id,
                created_at=now,
            ),
            created_at=now,
        ),
        item=item,
        request=request,
    )


def numbered(state: IngestState, *commands: IngestedCommand) -> IngestState:
    """The state after these commands took their numbers."""
    return attrs.evolve(state, count=state.count + len(commands))


def ingest(
    state: IngestState, event: ProviderRuntimeEvent, now: Instant
) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    """The state after an agent's event, and the commands that it leads to, in order."""
    match event:
        case SessionStarted(provider_thread_id=thread) | ThreadStarted(provider_thread_id=thread):
            attached = attrs.evolve(state, provider_thread_id=thread or state.provider_thread_id)
            return _sent(attached, session_set(attached, "ready" if state.turn_id is None else "running", now))
        case TurnStarted():
            return attrs.evolve(state, provider_turn_id=event.provider_turn_id), ()
        case MessageDelta():
            return _delta(state, event, now)
        case MessageCompleted():
            message = message_id(state.provider_session_id, event.item)
            remaining = tuple(other for other in state.streaming if other != message)
            completed = _complete(state, message, now)
            return _sent(attrs.evolve(state, streaming=remaining), completed)
        case TurnCompleted():
            return _end_turn(state, _AFTER_TURN[event.outcome], now, error=event.error)
        case SessionExited():
            return _exit(state, event, now)
        case RuntimeErrorReported():
            reported = activity(
                state, now, tone="error", kind="runtime.error", summary=event.message, payload=dict(event.detail)
            )
            after, commands = _sent(state, reported)
            if not event.fatal:
                return after, commands
            after, ending = _end_turn(after, "error", now, error=event.message)
            return attrs.evolve(after, fatal_error=event.message), (*commands, *ending)
        case CheckpointCaptured():
            return _sent(state, *checkpoint_commands(state.thread_id, f"{state.provider_session_id}/", event, now))
        case _:
            return _sent(state, _activity_of(state, event, now))


def checkpoint_commands(
    thread_id: ThreadId, command_prefix: str, event: CheckpointCaptured, now: Instant
) -> tuple[IngestedCommand, ...]:
    """What a captured checkpoint leads to. No session is named: a checkpoint outlives the session of its turn."""
    diff = ThreadTurnDiffComplete(
        command_id=CommandId(f"{command_prefix}diff/{event.turn_id}"),
        thread_id=thread_id,
        turn_id=event.turn_id,
        completed_at=now,
        checkpoint_ref=event.ref,
        status=event.status,
        files=event.files,
        checkpoint_turn_count=event.turn_count,
        created_at=now,
    )
    noted_id = CommandId(f"{command_prefix}captured/{event.turn_id}")
    noted = ThreadActivityAppend(
        command_id=noted_id,
        thread_id=thread_id,
        activity=Activity(
            id=ActivityId(noted_id),
            tone="info" if event.status == "ready" else "error",
            kind=Label("checkpoint.captured"),
            summary=event.summary,
            payload={"turnCount": event.turn_count, "status": event.status, "files": len(event.files)},
            turn_id=event.turn_id,
            created_at=now,
        ),
        created_at=now,
    )
    return (
        IngestedCommand(command=diff, metadata=EventMetadata()),
        IngestedCommand(command=noted, metadata=EventMetadata()),
    )


def _sent(state: IngestState, *commands: IngestedCommand) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    return numbered(state, *commands), commands


def _command(
    state: IngestState,
    build: Callable[[CommandId], InternalCommand],
    *,
    item: ProviderItemId | None = None,
    request: ApprovalRequestId | None = None,
) -> IngestedCommand:
    return IngestedCommand(
        command=build(CommandId(f"{state.provider_session_id}/{state.count + 1}")),
        metadata=EventMetadata(
            provider_session_id=state.provider_session_id,
            provider_thread_id=state.provider_thread_id,
            provider_turn_id=state.provider_turn_id if state.turn_id is not None else None,
            provider_item_id=item,
            adapter_key=state.adapter_key,
            request_id=request,
        ),
    )


def _delta(state: IngestState, event: MessageDelta, now: Instant) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    message = message_id(state.provider_session_id, event.item)
    known = state if message in state.streaming else attrs.evolve(state, streaming=(*state.streaming, message))
    delta = _command(
        state,
        lambda command_id: ThreadMessageAssistantDelta(
            command_id=command_id,
            thread_id=state.thread_id,
            message_id=message,
            delta=event.text,
            turn_id=UNSET if state.turn_id is None else state.turn_id,
            created_at=now,
        ),
        item=event.item,
    )
    return _sent(known, delta)


def _complete(state: IngestState, message: MessageId, now: Instant) -> IngestedCommand:
    return _command(
        state,
        lambda command_id: ThreadMessageAssistantComplete(
            command_id=command_id,
            thread_id=state.thread_id,
            message_id=message,
            turn_id=UNSET if state.turn_id is None else state.turn_id,
            created_at=now,
        ),
    )


def _end_turn(
    state: IngestState, status: SessionStatus, now: Instant, *, error: str | None
) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    """Complete what still streams, then report a status that names no turn."""
    commands: list[IngestedCommand] = []
    for message in state.streaming:
        completed = _complete(state, message, now)
        state = numbered(state, completed)
        commands.append(completed)
    over = attrs.evolve(state, turn_id=None, provider_turn_id=None, streaming=())
    ended = session_set(over, status, now, error=error)
    return numbered(over, ended), (*commands, ended)


def _exit(state: IngestState, event: SessionExited, now: Instant) -> tuple[IngestState, tuple[IngestedCommand, ...]]:
    if event.asked:
        status: SessionStatus = "stopped" if state.fatal_error is None else "error"
        return _end_turn(state, status, now, error=state.fatal_error)
    code = "" if event.exit_code is None else f" with exit status {event.exit_code}"
    tail = event.stderr_tail.strip()
    return _end_turn(state, "error", now, error=f"the agent process ended{code}{': ' if tail else ''}{tail}")


def _activity_of(
    state: IngestState,
    event: ToolStarted | ToolCompleted | PlanUpdated | ReasoningCompleted | ApprovalRequested | ApprovalResolved,
    now: Instant,
) -> IngestedCommand:
    match event:
        case ToolStarted():
            return activity(
                state,
                now,
                tone="tool",
                kind="tool.started",
                summary=event.title,
                payload={"itemId": event.item, **event.detail},
                item=event.item,
            )
        case ToolCompleted():
            return activity(
                state,
                now,
                tone="tool",
                kind="tool.completed",
                summary=event.title,
                payload={"itemId": event.item, "failed": event.failed, **event.detail},
                item=event.item,
            )
        case PlanUpdated():
            return activity(
                state, now, tone="info", kind="plan.updated", summary=event.summary, payload=dict(event.detail)
            )
        case ReasoningCompleted():
            return activity(
                state, now, tone="info", kind="reasoning.completed", summary=event.text, payload={"text": event.text}
            )
        case ApprovalRequested():
            request = request_id(state.provider_session_id, event.request)
            return activity(
                state,
                now,
                tone="approval",
                kind=REQUESTED,
                summary=event.summary,
                payload={"requestId": request, "requestKind": event.kind, **event.detail},
                item=event.item,
                request=request,
            )
        case ApprovalResolved():
            request = request_id(state.provider_session_id, event.request)
            return activity(
                state,
                now,
                tone="approval",
                kind=RESOLVED,
                summary=event.decision,
                payload={"requestId": request, "decision": event.decision},
                request=request,
            )
        case _:
            assert_never(event)
