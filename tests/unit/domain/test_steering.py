"""Steering messages and the order of waiting turns, as the decider and the fold have them."""

from __future__ import annotations

import pytest

from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadQueueUpdated,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from orchestrion.contracts.ids import ThreadId
from orchestrion.domain.decision import Rejection
from orchestrion.domain.steering import STEERED
from orchestrion.testing.given import given
from orchestrion.testing.model_host import ModelHost
from tests.support.builders import (
    activity,
    activity_append,
    project_create,
    queue_update,
    revert_complete,
    session_set,
    steer_queue,
    thread_create,
    turn_interrupt,
    turn_start,
    turn_steer,
)

T1 = ThreadId("t1")


@pytest.fixture
def host() -> ModelHost:
    """A thread whose first turn runs."""
    asked = given(project_create(), thread_create(), turn_start(message_id="m1")).host
    start = asked.threads[T1].queued_starts[0]
    accepted(asked.dispatch(session_set("running", active_turn_id=start.turn_id), caused_by=start.event_id))
    return asked


def accepted(outcome: list[PersistedEvent] | Rejection) -> list[PersistedEvent]:
    assert not isinstance(outcome, Rejection), outcome.reason
    return outcome


def rejected(outcome: list[PersistedEvent] | Rejection) -> str:
    assert isinstance(outcome, Rejection)
    return outcome.reason


def steered(host: ModelHost, message_id: str) -> PersistedEvent:
    """The request of a steering message that was sent."""
    return accepted(host.dispatch(turn_steer(message_id=message_id)))[-1]


def take_in(host: ModelHost, request: PersistedEvent) -> list[PersistedEvent] | Rejection:
    taken = activity("a1", kind=STEERED, turn_id=host.threads[T1].running_turn_id)
    return host.dispatch(activity_append(taken), caused_by=request.event_id)


@pytest.mark.spec("E70")
def test_steering_names_the_running_turn(host: ModelHost) -> None:
    sent, requested = accepted(host.dispatch(turn_steer(message_id="m2")))
    assert isinstance(sent.payload, ThreadMessageSent)
    assert (sent.payload.role, sent.payload.turn_id) == ("user", None)
    assert isinstance(requested.payload, ThreadTurnSteerRequested)
    assert requested.payload.turn_id == host.threads[T1].running_turn_id
    assert requested.causation_event_id == sent.event_id


@pytest.mark.spec("E70")
def test_steering_without_a_running_turn_names_none() -> None:
    host = given(project_create(), thread_create()).host
    request = steered(host, "m1")
    assert isinstance(request.payload, ThreadTurnSteerRequested)
    assert request.payload.turn_id is None


@pytest.mark.spec("E71")
@pytest.mark.spec("E73")
def test_message_taken_in_belongs_to_its_turn(host: ModelHost) -> None:
    request = steered(host, "m2")
    noted, message = accepted(take_in(host, request))
    assert isinstance(noted.payload, ThreadActivityAppended)
    assert noted.causation_event_id == request.event_id
    running = host.threads[T1].running_turn_id
    assert host.messages[message.payload.message_id].turn_id == running  # type: ignore[union-attr]  # a message event
    accepted(host.dispatch(session_set("ready")))
    reverted = accepted(host.dispatch(revert_complete(turn_count=0)))[0]
    assert set(reverted.payload.removed_message_ids) == {"m1", "m2"}  # type: ignore[union-attr]  # a revert


@pytest.mark.spec("E71")
@pytest.mark.parametrize("is_taken_first", [False, True])
def test_steering_request_is_settled_once(host: ModelHost, is_taken_first: bool) -> None:
    request = steered(host, "m2")

    def queue() -> list[PersistedEvent] | Rejection:
        return host.dispatch(steer_queue(), caused_by=request.event_id)

    def take() -> list[PersistedEvent] | Rejection:
        return take_in(host, request)

    first, second = (take, queue) if is_taken_first else (queue, take)
    accepted(first())
    assert "is no open steering request" in rejected(second())
    assert "is no open steering request" in rejected(take_in(host, request))


@pytest.mark.spec("E72")
def test_steered_turns_wait_before_the_others_in_their_order(host: ModelHost) -> None:
    accepted(host.dispatch(turn_start(message_id="m2")))
    for message_id in ("m3", "m4"):
        request = steered(host, message_id)
        start, ordered = accepted(host.dispatch(steer_queue(), caused_by=request.event_id))
        assert isinstance(start.payload, ThreadTurnStartRequested)
        assert start.payload.steered is True
        assert isinstance(ordered.payload, ThreadQueueUpdated)
        assert ordered.payload.turn_ids == host.threads[T1].queue
    starts = {intent.turn_id: intent.message_id for intent in host.threads[T1].queued_starts}
    assert [starts[turn_id] for turn_id in host.threads[T1].queue] == ["m3", "m4", "m2"]


@pytest.mark.spec("E71")
def test_cancelled_steering_leaves_no_turn(host: ModelHost) -> None:
    request = steered(host, "m2")
    _, cancelled = accepted(host.dispatch(steer_queue(cancel_reason="stopped"), caused_by=request.event_id))
    assert isinstance(cancelled.payload, ThreadActivityAppended)
    assert cancelled.payload.activity.kind == "turn.cancelled"
    assert host.threads[T1].queue == ()
    assert not host.threads[T1].open_intents


@pytest.mark.spec("E75")
def test_queue_update_orders_the_named_turns_first(host: ModelHost) -> None:
    for number in range(2, 6):
        accepted(host.dispatch(turn_start(message_id=f"m{number}")))
    second, third, fourth, fifth = host.threads[T1].queue
    updated = accepted(host.dispatch(queue_update(turn_ids=(fifth, third))))[0]
    assert isinstance(updated.payload, ThreadQueueUpdated)
    assert updated.payload.turn_ids == host.threads[T1].queue == (fifth, third, second, fourth)
    accepted(host.dispatch(turn_start(message_id="m6")))
    assert host.threads[T1].queue[:4] == (fifth, third, second, fourth)


@pytest.mark.spec("E75")
def test_queue_update_rejects_what_does_not_wait(host: ModelHost) -> None:
    accepted(host.dispatch(turn_start(message_id="m2")))
    (waiting,), running = host.threads[T1].queue, host.threads[T1].running_turn_id
    assert running is not None
    reason = rejected(host.dispatch(queue_update(turn_ids=(waiting, running))))
    assert reason == f"turn {running!r} is not waiting on thread 't1'; waiting turns: {waiting!r}"
    assert rejected(host.dispatch(queue_update(turn_ids=(waiting, waiting)))) == f"turn {waiting!r} is named twice"


def test_turn_that_is_settled_leaves_the_queue(host: ModelHost) -> None:
    start = accepted(host.dispatch(turn_start(message_id="m2")))[-1]
    (waiting,) = host.threads[T1].queue
    accepted(host.dispatch(turn_interrupt(turn_id=waiting)))
    cancelled = activity("a1", kind="turn.cancelled")
    accepted(host.dispatch(activity_append(cancelled), caused_by=start.event_id))
    assert host.threads[T1].queue == ()
