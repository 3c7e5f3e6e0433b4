"""Recovery: what a dead host left behind becomes internal commands that settle it. Pure.

After them nothing is stuck: no turn runs without an owner, no message streams, no approval waits that nobody can
answer, and interrupts and approval responses that never reached their agent are closed as not delivered. Queued turns
stay queued; stops and reverts stay open and are performed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from ..contracts.commands import (
    InternalCommand,
    ThreadActivityAppend,
    ThreadMessageAssistantComplete,
    ThreadSessionSet,
)
from ..contracts.ids import ActivityId, CommandId, EventId, MessageId, ThreadId, TurnId, runtime_id
from ..contracts.values import UNSET, Activity, Instant, Label, Session, SessionStatus

_OVER: Final[tuple[SessionStatus, ...]] = ("stopped", "error", "interrupted", "idle")


@attrs.frozen(kw_only=True)
class StreamingMessage:
    message_id: MessageId
    turn_id: TurnId | None


@attrs.frozen(kw_only=True)
class UndeliveredIntent:
    """An interrupt or an approval response that no event settles."""

    event_id: EventId
    event_type: str
    correlation_id: CommandId | None


@attrs.frozen(kw_only=True)
class AbandonedThread:
    """A live thread with something that a dead host was doing."""

    thread_id: ThreadId
    session: Session | None
    running_turn_id: TurnId | None = None
    streaming: tuple[StreamingMessage, ...] = ()
    has_pending_approvals: bool = False
    undelivered: tuple[UndeliveredIntent, ...] = ()


@attrs.frozen(kw_only=True)
class RecoveryCommand:
    """An internal command of recovery, with the intent that it settles."""

    command: InternalCommand
    caused_by: EventId | None = None
    correlation_id: CommandId | None = None


def recover(threads: Sequence[AbandonedThread], *, recovery_id: str, now: Instant) -> tuple[RecoveryCommand, ...]:
    """The commands that settle these threads, in order. `recovery_id` is unique to this start of a runtime."""
    commands: list[RecoveryCommand] = []
    for thread in threads:
        for build, intent in _settling(thread, now):
            command_id = CommandId(runtime_id("recovery", recovery_id, str(len(commands) + 1)))
            commands.append(
                RecoveryCommand(
                    command=build(command_id),
                    caused_by=None if intent is None else intent.event_id,
                    correlation_id=None if intent is None else intent.correlation_id,
                )
            )
    return tuple(commands)


_Build = Callable[[CommandId], InternalCommand]


def _settling(thread: AbandonedThread, now: Instant) -> list[tuple[_Build, UndeliveredIntent | None]]:
    settling: list[tuple[_Build, UndeliveredIntent | None]] = [
        (_completion(thread.thread_id, message, now), None) for message in thread.streaming
    ]
    if thread.running_turn_id is not None:
        settling.append(
            (
                _note(
                    thread,
                    now,
                    kind="turn.interrupted",
                    summary="The host stopped while this turn ran",
                    turn_id=thread.running_turn_id,
                ),
                None,
            )
        )
    if _has_live_session(thread):
        settling.append((_stop(thread, now), None))
    settling += [(_undelivered(thread, intent, now), intent) for intent in thread.undelivered]
    return settling


def _has_live_session(thread: AbandonedThread) -> bool:
    if thread.running_turn_id is not None or thread.has_pending_approvals:
        return True
    return thread.session is not None and thread.session.status not in _OVER


def _completion(thread_id: ThreadId, message: StreamingMessage, now: Instant) -> _Build:
    return lambda command_id: ThreadMessageAssistantComplete(
        command_id=command_id,
        thread_id=thread_id,
        message_id=message.message_id,
        turn_id=UNSET if message.turn_id is None else message.turn_id,
        created_at=now,
    )


def _stop(thread: AbandonedThread, now: Instant) -> _Build:
    before = thread.session
    session = Session(
        thread_id=thread.thread_id,
        status="stopped",
        provider_name=None if before is None else before.provider_name,
        provider_session_id=None if before is None else before.provider_session_id,
        provider_thread_id=None if before is None else before.provider_thread_id,
        active_turn_id=None,
        last_error=None if before is None else before.last_error,
        updated_at=now,
    )
    return lambda command_id: ThreadSessionSet(
        command_id=command_id, thread_id=thread.thread_id, session=session, created_at=now
    )


def _undelivered(thread: AbandonedThread, intent: UndeliveredIntent, now: Instant) -> _Build:
    what = "interrupt" if "interrupt" in intent.event_type else "approval response"
    return _note(
        thread,
        now,
        kind=f"{what.replace(' ', '.')}.undelivered",
        summary=f"The host stopped before the {what} reached the agent",
        turn_id=None,
    )


def _note(thread: AbandonedThread, now: Instant, *, kind: str, summary: str, turn_id: TurnId | None) -> _Build:
    return lambda command_id: ThreadActivityAppend(
        command_id=command_id,
        thread_id=thread.thread_id,
        activity=Activity(
            id=ActivityId(command_id),
            tone="error",
            kind=Label(kind),
            summary=summary,
            payload={},
            turn_id=turn_id,
            created_at=now,
        ),
        created_at=now,
    )
