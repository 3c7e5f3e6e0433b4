"""After a crash: what recovery settles, and what it leaves alone."""

from __future__ import annotations

import pytest

from orchestrion.contracts.admission import admit_own
from orchestrion.contracts.commands import (
    ThreadActivityAppend,
    ThreadMessageAssistantComplete,
    ThreadSessionSet,
    ThreadTurnSteerQueue,
)
from orchestrion.contracts.events import ThreadApprovalResponseRequested, ThreadTurnInterruptRequested
from orchestrion.contracts.ids import CommandId, EventId, MessageId, ThreadId, TurnId
from orchestrion.contracts.values import UNSET, SessionStatus
from orchestrion.domain.recover import (
    COPIED_DATABASE,
    AbandonedThread,
    CopiedIntent,
    OpenSteering,
    RecoveryCommand,
    StreamingMessage,
    UndeliveredIntent,
    recover,
)
from orchestrion.testing.given import given as given_log
from tests.support.builders import (
    approval_requested,
    assistant_delta,
    at,
    project_create,
    session,
    session_set,
    thread_create,
    turn_start,
)

T1 = ThreadId("t1")
TURN = TurnId("turn-1")


def then(*threads: AbandonedThread) -> tuple[RecoveryCommand, ...]:
    commands = recover(threads, recovery_id="r1", now=at(9))
    for one in commands:
        admit_own(one.command, "server")
    return commands


def _stopped(one: RecoveryCommand) -> ThreadSessionSet:
    assert isinstance(one.command, ThreadSessionSet)
    assert (one.command.session.status, one.command.session.active_turn_id) == ("stopped", None)
    return one.command


def _noted(one: RecoveryCommand) -> ThreadActivityAppend:
    assert isinstance(one.command, ThreadActivityAppend)
    return one.command


@pytest.mark.lesson("L93")
@pytest.mark.parametrize(
    ("turn_id", "kind"), [(TURN, "turn.cancelled"), (None, "checkpoint.revert.refused")], ids=["turn", "revert"]
)
def test_request_of_a_copied_database_is_closed_with_the_reason(turn_id: TurnId | None, kind: str) -> None:
    intent = CopiedIntent(event_id=EventId("e7"), correlation_id=CommandId("c7"), turn_id=turn_id)
    (closed,) = then(AbandonedThread(thread_id=T1, session=None, copied=(intent,)))
    activity = _noted(closed).activity
    assert (closed.caused_by, closed.correlation_id, activity.kind) == ("e7", "c7", kind)
    assert activity.payload["reason"] == "copied_database"
    assert activity.payload.get("turnId") == turn_id


def test_nothing_left_is_nothing_to_do() -> None:
    assert then() == ()


@pytest.mark.lesson("L2")
def test_l02_a_running_turn_is_noted_and_its_session_stopped() -> None:
    before = session("running", active_turn_id=TURN, provider_session_id="s9", provider_thread_id="theirs")
    noted, stopped = then(AbandonedThread(thread_id=T1, session=before, running_turn_id=TURN))
    activity = _noted(noted).activity
    assert (activity.kind, activity.tone, activity.turn_id) == ("turn.interrupted", "error", TURN)
    kept = _stopped(stopped).session
    assert (kept.provider_session_id, kept.provider_thread_id, kept.provider_name) == ("s9", "theirs", "scripted")


def test_streaming_messages_end_first_in_their_turns() -> None:
    streaming = (
        StreamingMessage(message_id=MessageId("m1"), turn_id=TURN),
        StreamingMessage(message_id=MessageId("m2"), turn_id=None),
    )
    first, second, _, _ = then(
        AbandonedThread(thread_id=T1, session=session("running"), running_turn_id=TURN, streaming=streaming)
    )
    assert isinstance(first.command, ThreadMessageAssistantComplete)
    assert isinstance(second.command, ThreadMessageAssistantComplete)
    assert [(one.message_id, one.turn_id) for one in (first.command, second.command)] == [("m1", TURN), ("m2", UNSET)]


@pytest.mark.lesson("L3")
def test_l03_a_pending_approval_alone_stops_the_session_which_resolves_it() -> None:
    (stopped,) = then(AbandonedThread(thread_id=T1, session=session("interrupted"), has_pending_approvals=True))
    _stopped(stopped)


@pytest.mark.parametrize("status", ["starting", "running", "ready"])
def test_a_session_that_was_live_becomes_stopped(status: SessionStatus) -> None:
    (stopped,) = then(AbandonedThread(thread_id=T1, session=session(status)))
    assert _stopped(stopped).session.provider_session_id == "s1"


@pytest.mark.parametrize("status", ["stopped", "error", "interrupted", "idle"])
def test_a_session_that_was_over_stays_as_it_was(status: SessionStatus) -> None:
    assert then(AbandonedThread(thread_id=T1, session=session(status, last_error="why"))) == ()


def test_an_error_that_was_shown_is_kept_when_the_session_stops() -> None:
    before = session("ready", last_error="why")
    (stopped,) = then(AbandonedThread(thread_id=T1, session=before))
    assert _stopped(stopped).session.last_error == "why"


def test_a_runtime_row_of_an_unbound_session_leaves_the_thread_alone() -> None:
    assert then(AbandonedThread(thread_id=T1, session=None)) == ()


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        (ThreadTurnInterruptRequested.event_type, "interrupt.undelivered"),
        (ThreadApprovalResponseRequested.event_type, "approval.response.undelivered"),
    ],
)
def test_undelivered_intent_is_settled_by_an_activity(event_type: str, kind: str) -> None:
    intent = UndeliveredIntent(
        event_id=EventId("event-7"), event_type=event_type, correlation_id=CommandId("the-clients")
    )
    (closed,) = then(AbandonedThread(thread_id=T1, session=None, undelivered=(intent,)))
    assert (closed.caused_by, closed.correlation_id) == ("event-7", "the-clients")
    assert (_noted(closed).activity.kind, _noted(closed).activity.turn_id) == (kind, None)


def _steering(turn_id: str | None) -> OpenSteering:
    named = None if turn_id is None else TurnId(turn_id)
    return OpenSteering(event_id=EventId("event-7"), correlation_id=None, message_id=MessageId("m2"), turn_id=named)


@pytest.mark.spec("E74")
@pytest.mark.parametrize("sent_into", ["turn-1", None])
def test_message_on_its_way_into_a_running_turn_counts_as_taken(sent_into: str | None) -> None:
    thread = AbandonedThread(
        thread_id=T1, session=None, running_turn_id=TurnId("turn-1"), steering=(_steering(sent_into),)
    )
    steered = next(one for one in then(thread) if one.caused_by == "event-7")
    activity = _noted(steered).activity
    assert (activity.kind, activity.turn_id, activity.tone) == ("turn.steered", "turn-1", "error")
    assert activity.payload == {"turnId": "turn-1", "messageId": "m2", "delivery": "unknown"}


@pytest.mark.spec("E74")
@pytest.mark.parametrize(("running", "sent_into"), [("turn-2", "turn-1"), (None, "turn-1"), (None, None)])
def test_message_that_no_running_turn_may_have_stays_open(running: str | None, sent_into: str | None) -> None:
    turn = None if running is None else TurnId(running)
    thread = AbandonedThread(thread_id=T1, session=None, running_turn_id=turn, steering=(_steering(sent_into),))
    assert [one for one in then(thread) if one.caused_by is not None] == []


def test_message_of_a_copied_database_is_cancelled() -> None:
    copied = CopiedIntent(event_id=EventId("event-7"), correlation_id=None, steers=True)
    (settled,) = then(AbandonedThread(thread_id=T1, session=None, copied=(copied,)))
    assert isinstance(settled.command, ThreadTurnSteerQueue)
    assert (settled.caused_by, settled.command.cancel_reason) == ("event-7", COPIED_DATABASE)


def test_ids_are_counted_over_all_threads_of_one_recovery() -> None:
    threads = [AbandonedThread(thread_id=ThreadId(f"t{number}"), session=None) for number in (1, 2)]
    intent = UndeliveredIntent(
        event_id=EventId("event-7"), event_type=ThreadTurnInterruptRequested.event_type, correlation_id=None
    )
    both = [
        AbandonedThread(
            thread_id=thread.thread_id,
            session=session("ready", thread_id=thread.thread_id),
            undelivered=(intent,),
        )
        for thread in threads
    ]
    assert [one.command.command_id for one in then(*both)] == [f"~recovery/r1/{number}" for number in range(1, 5)]


@pytest.mark.spec("E122")
def test_a_response_with_secret_answers_is_settled_as_lost() -> None:
    intent = UndeliveredIntent(
        event_id=EventId("e1"),
        event_type=ThreadApprovalResponseRequested.event_type,
        correlation_id=None,
        had_secrets=True,
    )
    (closed,) = then(AbandonedThread(thread_id=T1, session=None, undelivered=(intent,)))
    assert isinstance(closed.command, ThreadActivityAppend)
    assert closed.command.activity.kind == "approval.response.undelivered"
    assert closed.command.activity.summary.endswith("its secret answers were not stored and are lost")


@pytest.mark.lesson("L2")
def test_l02_recovery_ends_all_that_ran_and_keeps_the_queue() -> None:
    host = given_log(
        project_create(),
        thread_create(),
        session_set("starting"),
        turn_start(message_id="m1"),
        session_set("running", active_turn_id="turn-1"),
        turn_start(message_id="m2"),
        assistant_delta("answer", turn_id="turn-1"),
        approval_requested("r1"),
    ).host
    before = host.threads[T1]
    for one in then(
        AbandonedThread(
            thread_id=T1,
            session=before.session,
            running_turn_id=before.running_turn_id,
            streaming=(StreamingMessage(message_id=MessageId("answer"), turn_id=TURN),),
            has_pending_approvals=True,
        )
    ):
        host.dispatch(one.command)
    after = host.threads[T1]

    assert after.running_turn_id is None
    assert after.session is not None
    assert after.session.status == "stopped"
    assert not any(approval.pending for approval in after.approvals.values())
    assert not host.messages[MessageId("answer")].streaming
    assert after.queued_starts == before.queued_starts
    assert [intent.message_id for intent in after.queued_starts] == ["m2"]
