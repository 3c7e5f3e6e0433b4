"""Recovery: internal commands that settle what a host left open when it died. Pure.

After them nothing is stuck: no turn runs without an owner, no message streams, no approval waits that cannot be
answered, and interrupts and approval responses that never reached their agent are closed as not delivered. A steering
message that the agent of a running turn may have counts as taken into that turn, so that no agent gets it twice; any
other becomes the next turn. Queued turns stay queued; stops and reverts stay open and are performed again. In a copy
of a database, where the original may have performed them, queued turns and open reverts are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import attrs

from ..contracts.commands import (
    InternalCommand,
    ThreadMessageAssistantComplete,
    ThreadSessionSet,
    ThreadTurnSteerQueue,
)
from ..contracts.ids import CommandId, EventId, MessageId, ThreadId, TurnId, runtime_id
from ..contracts.values import UNSET, Instant, JsonObject, Label, Session, SessionStatus
from .activities import append_activity
from .steering import STEERED, steered_payload

COPIED_DATABASE: Final = "copied_database"
"""The reason in the payload of what closes a request that the original of a copy may have performed."""

_OVER: Final[tuple[SessionStatus, ...]] = ("stopped", "error", "interrupted", "idle")


@attrs.frozen(kw_only=True)
class StreamingMessage:
    message_id: MessageId
    turn_id: TurnId | None


@attrs.frozen(kw_only=True)
class UndeliveredIntent:
    """An interrupt or an approval response that no event settles.

    `had_secrets`: some of its answers were not stored.
    """

    event_id: EventId
    event_type: str
    correlation_id: CommandId | None
    had_secrets: bool = False


@attrs.frozen(kw_only=True)
class OpenSteering:
    """A steering request that no event settles. `turn_id` is the turn that ran when it was sent."""

    event_id: EventId
    correlation_id: CommandId | None
    message_id: MessageId
    turn_id: TurnId | None


@attrs.frozen(kw_only=True)
class CopiedIntent:
    """A queued turn, a steering message or an open revert of a database that was copied. `turn_id` is the turn's."""

    event_id: EventId
    correlation_id: CommandId | None
    turn_id: TurnId | None = None
    steers: bool = False


@attrs.frozen(kw_only=True)
class AbandonedThread:
    """A live thread with something that a host left open when it died."""

    thread_id: ThreadId
    session: Session | None
    running_turn_id: TurnId | None = None
    streaming: tuple[StreamingMessage, ...] = ()
    has_pending_approvals: bool = False
    undelivered: tuple[UndeliveredIntent, ...] = ()
    steering: tuple[OpenSteering, ...] = ()
    copied: tuple[CopiedIntent, ...] = ()


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
_Intent = UndeliveredIntent | OpenSteering | CopiedIntent


def _settling(thread: AbandonedThread, now: Instant) -> list[tuple[_Build, _Intent | None]]:
    settling: list[tuple[_Build, _Intent | None]] = [
        (_completion(thread.thread_id, message, now), None) for message in thread.streaming
    ]
    settling += [(_steered(thread, one, now), one) for one in thread.steering if _may_be_delivered(thread, one)]
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
    settling += [(_not_performed(thread, intent, now), intent) for intent in thread.copied]
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
    lost = "; its secret answers were not stored and are lost" if intent.had_secrets else ""
    return _note(
        thread,
        now,
        kind=f"{what.replace(' ', '.')}.undelivered",
        summary=f"The host stopped before the {what} reached the agent{lost}",
    )


def _may_be_delivered(thread: AbandonedThread, steering: OpenSteering) -> bool:
    """Whether the agent of the running turn may have the message. In any other turn it would have been recorded."""
    return thread.running_turn_id is not None and steering.turn_id in (None, thread.running_turn_id)


def _steered(thread: AbandonedThread, steering: OpenSteering, now: Instant) -> _Build:
    assert thread.running_turn_id is not None
    return _note(
        thread,
        now,
        kind=STEERED,
        summary="The host stopped before it was known whether the agent got the message",
        turn_id=thread.running_turn_id,
        payload=steered_payload(thread.running_turn_id, steering.message_id, "unknown"),
    )


def _not_performed(thread: AbandonedThread, intent: CopiedIntent, now: Instant) -> _Build:
    if intent.steers:
        return lambda command_id: ThreadTurnSteerQueue(
            command_id=command_id, thread_id=thread.thread_id, cancel_reason=Label(COPIED_DATABASE), created_at=now
        )
    if intent.turn_id is None:
        why = "it was open when this database was copied, and the original may have performed it: send it again"
        return _note(
            thread,
            now,
            kind="checkpoint.revert.refused",
            summary=f"The thread was not reverted: {why}",
            payload={"error": why, "reason": COPIED_DATABASE},
        )
    return _note(
        thread,
        now,
        kind="turn.cancelled",
        summary="The turn was queued when this database was copied, and the original may have run it: send it again",
        payload={"turnId": intent.turn_id, "reason": COPIED_DATABASE},
    )


def _note(
    thread: AbandonedThread,
    now: Instant,
    *,
    kind: str,
    summary: str,
    turn_id: TurnId | None = None,
    payload: JsonObject | None = None,
) -> _Build:
    return lambda command_id: append_activity(
        command_id,
        thread.thread_id,
        tone="error",
        kind=kind,
        summary=summary,
        payload=payload or {},
        turn_id=turn_id,
        now=now,
    )
