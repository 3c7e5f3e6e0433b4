"""Turns: requested, opened, interrupted."""

from __future__ import annotations

import pytest

from orchestrion.contracts.events import (
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.ids import MessageId, ThreadId, TurnId
from orchestrion.contracts.values import UNSET, Count, Label, OpenedTurn, SessionStatus, Unset
from orchestrion.domain.attachments import message_attachments_activity
from orchestrion.testing.given import Outcome, Sent, given
from tests.support.builders import (
    activity,
    activity_append,
    approval_requested,
    assistant_delta,
    at,
    image,
    project_create,
    revert_complete,
    session_set,
    stored_image,
    thread_create,
    turn_interrupt,
    turn_start,
)

THREAD = (project_create("p1"), thread_create("t1"))
RUNNING = (*THREAD, turn_start(message_id="m1"), session_set("running", active_turn_id="turn-1"))
"""turn-1 runs; its request is event-4."""


def _opened(outcome: Outcome) -> OpenedTurn | Unset:
    payload = outcome.event.payload
    assert isinstance(payload, ThreadSessionSetEvent)
    return payload.turn


def _interrupted(turn_id: str) -> ThreadTurnInterruptRequested:
    return ThreadTurnInterruptRequested(thread_id=ThreadId("t1"), turn_id=TurnId(turn_id), created_at=at(9))


@pytest.mark.spec("E9", "E15", "E16", "E18", "E32")
def test_turn_start_sends_the_message_names_its_attachments_and_asks() -> None:
    outcome = given(*THREAD).when(
        turn_start(
            "t1",
            "m1",
            text="please",
            attachments=(image(),),
            model="model-2",
            effort="high",
            created_at=at(7),
            command_id="c9",
        )
    )
    sent, named, requested = outcome.then(
        ThreadMessageSent(
            thread_id=ThreadId("t1"),
            message_id=MessageId("m1"),
            role="user",
            text="please",
            attachments=(stored_image(),),
            turn_id=None,
            streaming=False,
            created_at=at(7),
            updated_at=at(7),
        ),
        ThreadActivityAppended(
            thread_id=ThreadId("t1"),
            activity=message_attachments_activity(
                MessageId("m1"), (stored_image(),), turn_id=TurnId("turn-1"), now=at(7)
            ),
            created_at=at(7),
        ),
        ThreadTurnStartRequested(
            thread_id=ThreadId("t1"),
            turn_id=TurnId("turn-1"),
            message_id=MessageId("m1"),
            model=Label("model-2"),
            effort=Label("high"),
            created_at=at(7),
        ),
    )
    assert sent.causation_event_id is None
    assert {named.causation_event_id, requested.causation_event_id} == {sent.event_id}
    assert [event.stream_version for event in (sent, named, requested)] == [2, 3, 4]
    assert {event.occurred_at for event in (sent, named, requested)} == {at(7)}
    assert {event.correlation_id for event in (sent, named, requested)} == {"c9"}
    assert {event.command_id for event in (sent, named, requested)} == {"c9"}


@pytest.mark.spec("E18", "E82")
def test_turn_start_without_attachments_names_none() -> None:
    sent, requested = given(*THREAD).when(turn_start("t1", "m1")).then_accepted()
    assert (sent.event_type, requested.event_type) == ("thread.message-sent", "thread.turn-start-requested")


@pytest.mark.spec("E32")
def test_each_request_has_its_own_turn_id() -> None:
    thread = given(*THREAD, turn_start(message_id="m1"))
    _, requested = thread.when(turn_start(message_id="m2")).then_accepted()
    assert isinstance(requested.payload, ThreadTurnStartRequested)
    assert requested.payload.turn_id == "turn-2"
    assert (requested.payload.model, requested.payload.effort) == (UNSET, UNSET)


@pytest.mark.spec("E30")
def test_turn_start_refuses_a_message_id_in_use() -> None:
    given(*THREAD, turn_start(message_id="m1")).when(turn_start(message_id="m1")).then_rejected("m1")
    given(*THREAD, assistant_delta("m2")).when(turn_start(message_id="m2")).then_rejected("m2")
    given(*THREAD, thread_create("t2"), turn_start("t2", "m1")).when(turn_start("t1", "m1")).then_rejected("m1")


@pytest.mark.spec("E9", "E33")
def test_a_running_session_opens_the_requested_turn_as_its_effect() -> None:
    thread = given(*THREAD, turn_start(message_id="m1", command_id="c1"))
    running = session_set("running", active_turn_id="turn-1", created_at=at(8))
    outcome = thread.when(running)
    outcome.then(
        ThreadSessionSetEvent(
            thread_id=ThreadId("t1"),
            session=running.session,
            turn=OpenedTurn(turn_count=Count(1), user_message_id=MessageId("m1"), started_at=at(8)),
            created_at=at(8),
        )
    )
    assert outcome.event.occurred_at == at(8)
    assert (outcome.event.causation_event_id, outcome.event.correlation_id) == ("event-4", "c1")


@pytest.mark.spec("E33")
def test_the_request_with_the_turns_id_comes_before_an_older_one() -> None:
    outcome = given(*THREAD, turn_start(message_id="m1"), turn_start(message_id="m2")).when(
        session_set("running", active_turn_id="turn-2", created_at=at(8))
    )
    assert _opened(outcome) == OpenedTurn(turn_count=Count(1), user_message_id=MessageId("m2"), started_at=at(8))
    assert outcome.event.causation_event_id == "event-6"


@pytest.mark.spec("E33")
def test_unrequested_turn_takes_the_oldest_open_request() -> None:
    outcome = given(*THREAD, turn_start(message_id="m1"), turn_start(message_id="m2")).when(
        session_set("running", active_turn_id="turn-x", created_at=at(8))
    )
    assert _opened(outcome) == OpenedTurn(turn_count=Count(1), user_message_id=MessageId("m1"), started_at=at(8))
    assert outcome.event.causation_event_id == "event-4"


@pytest.mark.spec("E33")
def test_a_turn_without_any_open_request_has_no_user_message() -> None:
    outcome = given(*THREAD).when(session_set("running", active_turn_id="turn-x", created_at=at(8)))
    assert _opened(outcome) == OpenedTurn(turn_count=Count(1), user_message_id=None, started_at=at(8))
    assert outcome.event.causation_event_id is None


@pytest.mark.spec("E9", "E33")
def test_a_turn_without_any_open_request_keeps_the_cause_its_sender_names() -> None:
    outcome = given(*THREAD).when(session_set("running", active_turn_id="turn-x"), caused_by="event-2")
    assert outcome.event.causation_event_id == "event-2"


@pytest.mark.spec("E33")
def test_a_request_that_was_settled_opens_nothing() -> None:
    settled = Sent(command=activity_append(activity(kind="turn.cancelled")), caused_by="event-4")
    outcome = given(*THREAD, turn_start(message_id="m1"), settled, turn_start(message_id="m2")).when(
        session_set("running", active_turn_id="turn-x", created_at=at(8))
    )
    assert _opened(outcome) == OpenedTurn(turn_count=Count(1), user_message_id=MessageId("m2"), started_at=at(8))


@pytest.mark.spec("E33")
def test_turns_are_counted_one_above_the_highest() -> None:
    outcome = given(*RUNNING, session_set("ready"), turn_start(message_id="m2")).when(
        session_set("running", active_turn_id="turn-2", created_at=at(8))
    )
    assert _opened(outcome) == OpenedTurn(turn_count=Count(2), user_message_id=MessageId("m2"), started_at=at(8))


@pytest.mark.spec("E33")
def test_a_count_that_a_revert_removed_is_given_again() -> None:
    outcome = given(*RUNNING, session_set("ready"), revert_complete(turn_count=0), turn_start(message_id="m2")).when(
        session_set("running", active_turn_id="turn-2", created_at=at(8))
    )
    assert _opened(outcome) == OpenedTurn(turn_count=Count(1), user_message_id=MessageId("m2"), started_at=at(8))


@pytest.mark.spec("E33")
def test_a_session_that_names_a_known_turn_opens_nothing() -> None:
    thread = given(*RUNNING)
    assert _opened(thread.when(session_set("running", active_turn_id="turn-1"))) is UNSET
    thread.when(session_set("ready")).then_accepted()
    assert _opened(thread.when(session_set("running", active_turn_id="turn-1"))) is UNSET
    assert thread.host.threads[ThreadId("t1")].running_turn_id is None


@pytest.mark.spec("E33")
@pytest.mark.parametrize("status", ["idle", "starting", "ready", "interrupted", "stopped", "error"])
def test_only_a_running_session_opens_a_turn(status: SessionStatus) -> None:
    thread = given(*THREAD, turn_start())
    assert _opened(thread.when(session_set(status, active_turn_id="turn-1"))) is UNSET
    assert not thread.host.threads[ThreadId("t1")].turns


@pytest.mark.spec("E33")
def test_a_running_session_without_a_turn_opens_none() -> None:
    outcome = given(*THREAD, turn_start()).when(session_set("running"))
    assert _opened(outcome) is UNSET
    assert outcome.event.causation_event_id is None


@pytest.mark.spec("E18", "E25")
def test_interrupt_of_the_running_turn_by_its_id() -> None:
    outcome = given(*RUNNING).when(turn_interrupt("t1", "turn-1", created_at=at(9)))
    outcome.then(_interrupted("turn-1"))
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E25")
def test_interrupt_of_a_queued_turn_by_its_id() -> None:
    given(*RUNNING, turn_start(message_id="m2"), turn_start(message_id="m3")).when(
        turn_interrupt("t1", "turn-3", created_at=at(9))
    ).then(_interrupted("turn-3"))


@pytest.mark.spec("E25")
def test_interrupt_without_an_id_means_the_running_turn() -> None:
    given(*RUNNING, turn_start(message_id="m2")).when(turn_interrupt("t1", created_at=at(9))).then(
        _interrupted("turn-1")
    )


@pytest.mark.spec("E25")
def test_interrupt_without_an_id_falls_back_to_the_oldest_queued_turn() -> None:
    given(*RUNNING, session_set("ready"), turn_start(message_id="m2"), turn_start(message_id="m3")).when(
        turn_interrupt("t1", created_at=at(9))
    ).then(_interrupted("turn-2"))


@pytest.mark.spec("E25")
def test_interrupt_is_refused_when_nothing_runs_or_waits() -> None:
    given(*THREAD).when(turn_interrupt("t1")).then_rejected("t1")
    given(*RUNNING, session_set("ready")).when(turn_interrupt("t1")).then_rejected("t1")


@pytest.mark.spec("E25")
def test_interrupt_refuses_a_turn_that_is_over_unknown_or_another_threads() -> None:
    given(*RUNNING, session_set("ready")).when(turn_interrupt("t1", "turn-1")).then_rejected("t1", "turn-1")
    given(*RUNNING).when(turn_interrupt("t1", "turn-x")).then_rejected("t1", "turn-x")
    given(*RUNNING, thread_create("t2")).when(turn_interrupt("t2", "turn-1")).then_rejected("t2", "turn-1")


@pytest.mark.spec("E25")
def test_an_interrupt_that_is_asked_for_ends_nothing() -> None:
    thread = given(*RUNNING, turn_interrupt("t1"))
    thread.when(turn_interrupt("t1", created_at=at(9))).then(_interrupted("turn-1"))


def test_a_starting_session_keeps_approvals_open() -> None:
    thread = given(*RUNNING, approval_requested("r1"), session_set("starting"))
    assert [fact.pending for fact in thread.host.threads[ThreadId("t1")].approvals.values()] == [True]


@pytest.mark.lesson("L40")
def test_a_turn_that_the_agent_began_takes_no_queued_request() -> None:
    queued = (*THREAD, turn_start(message_id="m1"))
    outcome = given(*queued).when(session_set("running", active_turn_id="own-1", turn_origin="agent"))
    opened = _opened(outcome)
    assert isinstance(opened, OpenedTurn)
    assert (opened.user_message_id, opened.turn_count, opened.origin) == (None, 1, "agent")
    assert outcome.event.causation_event_id is None
    waiting = given(*queued, session_set("running", active_turn_id="own-1", turn_origin="agent"), session_set("ready"))
    taken = _opened(waiting.when(session_set("running", active_turn_id="turn-1")))
    assert isinstance(taken, OpenedTurn)
    assert (taken.user_message_id, taken.turn_count, taken.origin) == ("m1", 2, UNSET)


@pytest.mark.lesson("L40")
def test_an_agent_begins_no_turn_while_one_runs() -> None:
    given(*RUNNING).when(session_set("running", active_turn_id="own-1", turn_origin="agent")).then_rejected("turn-1")


@pytest.mark.lesson("L40")
def test_a_turn_that_the_agent_began_can_be_interrupted() -> None:
    own = given(*THREAD, session_set("running", active_turn_id="own-1", turn_origin="agent"))
    outcome = own.when(turn_interrupt(created_at=at(9)))
    assert outcome.event.payload == _interrupted("own-1")
