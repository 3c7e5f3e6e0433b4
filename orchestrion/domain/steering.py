"""How a steering request is settled: by `turn.steered`, or by a turn start for the same message. Never by both.

A message that was taken into a turn belongs to that turn from then on, so that a revert of the turn removes it.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from ..contracts.commands import ThreadActivityAppend, ThreadTurnSteerQueue
from ..contracts.events import (
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadQueueUpdated,
    ThreadTurnStartRequested,
)
from ..contracts.ids import ActivityId, MessageId, TurnId, runtime_id
from ..contracts.values import UNSET, Activity, JsonObject, Label
from .decision import Decision, DecisionRequest, DraftEvent, Rejection
from .state import OpenIntent, ThreadState

STEERED: Final = "turn.steered"
"""The kind of the activity for a message that a running turn took in."""

SteerDelivery: TypeAlias = Literal["delivered", "unknown"]
"""`unknown`: the host or the agent stopped while the message was on its way."""


def steered_payload(turn_id: TurnId, message_id: MessageId, delivery: SteerDelivery) -> JsonObject:
    """The payload of the activity."""
    return {"turnId": turn_id, "messageId": message_id, "delivery": delivery}


def record_steered(thread: ThreadState, command: ThreadActivityAppend, request: DecisionRequest) -> Decision:
    """The activity that settles an open steering request, and the turn of its message."""
    steering = _open_steering(thread, request)
    if isinstance(steering, Rejection):
        return steering
    assert steering.message_id is not None, "a steering request names its message"
    activity = ThreadActivityAppended(
        thread_id=thread.thread_id, activity=command.activity, created_at=command.created_at
    )
    taken_in = ThreadMessageSent(
        thread_id=thread.thread_id,
        message_id=steering.message_id,
        role="user",
        text="",
        turn_id=command.activity.turn_id,
        streaming=False,
        created_at=command.created_at,
        updated_at=command.created_at,
    )
    return (
        DraftEvent(payload=activity, occurred_at=command.created_at, caused_by=request.caused_by),
        DraftEvent(payload=taken_in, occurred_at=command.created_at, caused_by_first=True),
    )


def queue_steering(thread: ThreadState, command: ThreadTurnSteerQueue, request: DecisionRequest) -> Decision:
    """The turn start that settles an open steering request, before the turns that wait."""
    steering = _open_steering(thread, request)
    if isinstance(steering, Rejection):
        return steering
    assert steering.message_id is not None, "a steering request names its message"
    assert request.turn_id is not None, "a turn start comes with the id of its turn"
    at, turn_id = command.created_at, request.turn_id
    start = ThreadTurnStartRequested(
        thread_id=thread.thread_id,
        turn_id=turn_id,
        message_id=steering.message_id,
        steered=True,
        created_at=at,
    )
    drafts = [DraftEvent(payload=start, occurred_at=at, caused_by=request.caused_by)]
    if command.cancel_reason is not UNSET:
        cancelled = _cancelled(thread, command, turn_id, command.cancel_reason)
        drafts.append(DraftEvent(payload=cancelled, occurred_at=at, caused_by_first=True))
    elif thread.queue:
        place = thread.queue_after_steering
        queue = (*thread.queue[:place], turn_id, *thread.queue[place:])
        ordered = ThreadQueueUpdated(thread_id=thread.thread_id, turn_ids=queue, created_at=at)
        drafts.append(DraftEvent(payload=ordered, occurred_at=at))
    return tuple(drafts)


def _open_steering(thread: ThreadState, request: DecisionRequest) -> OpenIntent | Rejection:
    cause = request.caused_by
    steering = None if cause is None else thread.open_intents.get(cause)
    if steering is None or steering.kind != "turn-steer":
        return Rejection(reason=f"event {cause!r} is no open steering request of thread {thread.thread_id!r}")
    return steering


def _cancelled(
    thread: ThreadState, command: ThreadTurnSteerQueue, turn_id: TurnId, reason: Label
) -> ThreadActivityAppended:
    activity = Activity(
        id=ActivityId(runtime_id("cancelled", turn_id)),
        tone="info",
        kind=Label("turn.cancelled"),
        summary="The turn was cancelled before it ran",
        payload={"turnId": turn_id, "reason": reason},
        turn_id=None,
        created_at=command.created_at,
    )
    return ThreadActivityAppended(thread_id=thread.thread_id, activity=activity, created_at=command.created_at)
