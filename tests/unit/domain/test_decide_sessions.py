"""What provider sessions report: session states, messages, activities, approvals; and which sessions may report."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import (
    EventMetadata,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadMessageSent,
    ThreadSessionSetEvent,
)
from orchestrion.contracts.ids import ApprovalRequestId, MessageId, ThreadId, TurnId
from orchestrion.contracts.values import ApprovalDecision, SessionStatus
from orchestrion.testing.given import Sent, from_session, given
from tests.support.builders import (
    activity,
    activity_append,
    approval_requested,
    approval_resolved,
    approval_respond,
    assistant_complete,
    assistant_delta,
    at,
    diff_complete,
    project_create,
    revert_complete,
    session_set,
    thread_create,
    thread_delete,
    turn_start,
)

THREAD = (project_create("p1"), thread_create("t1"))
BOUND = (*THREAD, session_set("starting", provider_session_id="s1"))
RUNNING = (*BOUND, turn_start(message_id="m1"), session_set("running", active_turn_id="turn-1"))
STATUSES: list[SessionStatus] = ["idle", "starting", "running", "ready", "interrupted", "stopped", "error"]


def _text(message_id: str, text: str, *, streaming: bool, turn_id: str | None = None) -> ThreadMessageSent:
    return ThreadMessageSent(
        thread_id=ThreadId("t1"),
        message_id=MessageId(message_id),
        role="assistant",
        text=text,
        turn_id=None if turn_id is None else TurnId(turn_id),
        streaming=streaming,
        created_at=at(9),
        updated_at=at(9),
    )


@pytest.mark.spec("E16", "E18")
@pytest.mark.parametrize("status", STATUSES)
def test_session_set_records_the_session(status: SessionStatus) -> None:
    command = session_set(status, last_error="why", provider_thread_id="theirs", created_at=at(9))
    outcome = given(*THREAD).when(command)
    outcome.then(ThreadSessionSetEvent(thread_id=ThreadId("t1"), session=command.session, created_at=at(9)))
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E15", "E16", "E18")
def test_a_delta_is_streaming_text() -> None:
    outcome = given(*RUNNING).when(assistant_delta("m2", "Hel", turn_id="turn-1", created_at=at(9)))
    outcome.then(_text("m2", "Hel", streaming=True, turn_id="turn-1"))
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E18")
def test_a_completion_ends_the_stream_without_text() -> None:
    given(*RUNNING, assistant_delta("m2")).when(assistant_complete("m2", turn_id="turn-1", created_at=at(9))).then(
        _text("m2", "", streaming=False, turn_id="turn-1")
    )


def test_a_message_without_a_turn_has_none() -> None:
    given(*THREAD).when(assistant_delta("m2", "Hi", created_at=at(9))).then(_text("m2", "Hi", streaming=True))
    given(*THREAD).when(assistant_complete("m2", created_at=at(9))).then(_text("m2", "", streaming=False))


@pytest.mark.spec("E30")
def test_a_delta_to_a_completed_message_is_refused() -> None:
    thread = given(*RUNNING, assistant_delta("m2"), assistant_complete("m2"))
    thread.when(assistant_delta("m2")).then_rejected("m2", "t1")
    thread.when(assistant_delta("m3")).then_accepted()


@pytest.mark.spec("E30")
@pytest.mark.parametrize("command", [assistant_delta("m1"), assistant_complete("m1")], ids=["delta", "complete"])
def test_an_assistant_does_not_write_a_users_message(command: Command) -> None:
    given(*RUNNING).when(command).then_rejected("m1", "t1")


@pytest.mark.spec("E30")
@pytest.mark.parametrize("command", [assistant_delta("m2"), assistant_complete("m2")], ids=["delta", "complete"])
def test_an_assistant_does_not_write_another_threads_message(command: Command) -> None:
    given(*THREAD, thread_create("t2"), assistant_delta("m2", thread_id="t2")).when(command).then_rejected("m2", "t2")


@pytest.mark.spec("E16", "E18")
def test_an_activity_is_recorded_as_it_is() -> None:
    line = activity("a1", kind="tool.completed", payload={"exit": 0}, turn_id="turn-1", created_at=at(4))
    outcome = given(*RUNNING).when(activity_append(line, created_at=at(9)))
    outcome.then(ThreadActivityAppended(thread_id=ThreadId("t1"), activity=line, created_at=at(9)))
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E9", "E10")
def test_an_internal_event_carries_its_cause_and_correlation() -> None:
    thread = given(*THREAD, turn_start(message_id="m1", command_id="root"))
    first = thread.when(activity_append(), caused_by="event-4").event
    assert (first.causation_event_id, first.correlation_id) == ("event-4", "root")
    second = thread.when(activity_append(activity("a2")), caused_by=first.event_id).event
    assert (second.causation_event_id, second.correlation_id) == (first.event_id, "root")
    alone = thread.when(activity_append(activity("a3"))).event
    assert (alone.causation_event_id, alone.correlation_id) == (None, None)


OF_A_SESSION = [
    session_set("ready", provider_session_id="s1"),
    assistant_delta("m2"),
    assistant_complete("m2"),
    diff_complete("turn-1", 1),
    activity_append(),
    revert_complete("t1"),
]


@pytest.mark.spec("E31")
@pytest.mark.parametrize("command", OF_A_SESSION, ids=lambda command: command.type)
def test_a_replaced_session_writes_nothing(command: Command) -> None:
    thread = given(*RUNNING, session_set("starting", provider_session_id="s2"))
    thread.when(command, metadata=from_session("s1")).then_rejected("s1", "t1", "s2")


@pytest.mark.spec("E31")
@pytest.mark.parametrize("command", OF_A_SESSION, ids=lambda command: command.type)
def test_a_thread_without_a_session_takes_nothing_from_one(command: Command) -> None:
    given(*THREAD).when(command, metadata=from_session("s1")).then_rejected("s1", "t1")


@pytest.mark.spec("E31")
def test_the_current_session_writes() -> None:
    given(*RUNNING).when(assistant_delta("m2"), metadata=from_session("s1")).then_accepted()
    given(*RUNNING, session_set("stopped")).when(activity_append(), metadata=from_session("s1")).then_accepted()


@pytest.mark.spec("E31")
def test_a_session_named_only_in_its_payload_becomes_the_current_one() -> None:
    thread = given(*RUNNING)
    thread.when(session_set("starting", provider_session_id="s2")).then_accepted()
    thread.when(activity_append(), metadata=from_session("s2")).then_accepted()


@pytest.mark.spec("E23", "E31")
def test_deleted_thread_accepts_only_the_end_of_its_session() -> None:
    thread = given(*RUNNING, thread_delete("t1"))
    thread.when(session_set("stopped"), metadata=from_session("s0")).then_rejected("s0", "t1", "s1")
    thread.when(session_set("stopped"), metadata=from_session("s1")).then_accepted()


@pytest.mark.spec("E13")
def test_provider_ids_stand_in_metadata_and_the_session_only() -> None:
    metadata = from_session("s1")
    command = session_set("ready", provider_session_id="s1", provider_thread_id="theirs")
    event = given(*BOUND).when(command, metadata=metadata).event
    assert event.stream_id == "t1"
    assert attrs.evolve(event.metadata, command_fingerprint=None) == metadata
    assert isinstance(event.payload, ThreadSessionSetEvent)
    assert (event.payload.thread_id, event.payload.session.provider_thread_id) == ("t1", "theirs")


@pytest.mark.spec("E16", "E18", "E26")
@pytest.mark.parametrize("decision", ["accept", "acceptForSession", "decline", "cancel"])
def test_a_pending_approval_can_be_answered(decision: ApprovalDecision) -> None:
    outcome = given(*RUNNING, approval_requested("r1")).when(approval_respond("t1", "r1", decision, created_at=at(9)))
    outcome.then(
        ThreadApprovalResponseRequested(
            thread_id=ThreadId("t1"), request_id=ApprovalRequestId("r1"), decision=decision, created_at=at(9)
        )
    )
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E26")
def test_an_approval_named_by_metadata_alone_can_be_answered() -> None:
    asked = Sent(
        command=activity_append(activity(kind="approval.requested", tone="approval")),
        metadata=EventMetadata(request_id=ApprovalRequestId("r7")),
    )
    given(*RUNNING, asked).when(approval_respond("t1", "r7")).then_accepted()


@pytest.mark.spec("E26")
@pytest.mark.parametrize(
    "settling",
    [
        approval_respond("t1", "r1"),
        approval_resolved("r1"),
        session_set("ready"),
        session_set("idle"),
        session_set("running"),
        session_set("interrupted"),
        session_set("stopped"),
        session_set("error"),
    ],
    ids=["answered", "resolved", "ready", "idle", "running without a turn", "interrupted", "stopped", "error"],
)
def test_a_settled_approval_cannot_be_answered(settling: Command) -> None:
    given(*RUNNING, approval_requested("r1"), settling).when(approval_respond("t1", "r1")).then_rejected("r1", "t1")


@pytest.mark.spec("E26")
def test_a_settled_approval_never_reopens() -> None:
    given(*RUNNING, approval_requested("r1"), approval_resolved("r1"), approval_requested("r1")).when(
        approval_respond("t1", "r1")
    ).then_rejected("r1", "t1")


@pytest.mark.spec("E26")
def test_an_unknown_or_another_threads_approval_cannot_be_answered() -> None:
    given(*RUNNING).when(approval_respond("t1", "r1")).then_rejected("r1", "t1")
    given(*RUNNING, approval_requested("r1"), thread_create("t2")).when(approval_respond("t2", "r1")).then_rejected(
        "r1", "t2"
    )


@pytest.mark.spec("E26")
@pytest.mark.parametrize("kept", [session_set("starting"), session_set("running", active_turn_id="turn-1")])
def test_an_approval_outlives_a_session_set_that_starts_or_names_a_turn(kept: Command) -> None:
    given(*RUNNING, approval_requested("r1"), kept).when(approval_respond("t1", "r1")).then_accepted()


@pytest.mark.spec("E44")
def test_a_turn_of_another_thread_cannot_be_opened() -> None:
    theirs = session_set("running", thread_id="t2", active_turn_id="turn-1")
    given(*RUNNING, thread_create("t2")).when(theirs).then_rejected("turn-1", "t1")
    given(*RUNNING, session_set("ready"), thread_create("t2")).when(theirs).then_rejected("turn-1", "t1")


@pytest.mark.spec("E44")
def test_the_id_of_a_removed_turn_is_free_again() -> None:
    theirs = session_set("running", thread_id="t2", active_turn_id="turn-1")
    given(*RUNNING, session_set("ready"), revert_complete("t1", 0), thread_create("t2")).when(theirs).then_accepted()


@pytest.mark.spec("E44")
def test_an_approval_request_of_another_thread_cannot_be_opened() -> None:
    asked = (*RUNNING, approval_requested("r1"), thread_create("t2"))
    given(*asked).when(approval_requested("r1", thread_id="t2")).then_rejected("r1", "t1")
    given(*asked, approval_resolved("r1")).when(approval_requested("r1", thread_id="t2")).then_rejected("r1", "t1")
    given(*asked).when(approval_requested("r2", thread_id="t2")).then_accepted()
