"""Commands that create, rename and delete threads, and what a missing or deleted thread refuses."""

from __future__ import annotations

import pytest

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import (
    ThreadCreated,
    ThreadDeleted,
    ThreadMetaUpdated,
    ThreadSessionSetEvent,
    ThreadSessionStopRequested,
)
from orchestrion.contracts.ids import ProjectId, ThreadId
from orchestrion.contracts.values import UNSET, ApprovalDecision, Label, SessionStatus
from orchestrion.testing.given import given
from tests.support.builders import (
    activity_append,
    approval_requested,
    approval_respond,
    assistant_complete,
    assistant_delta,
    at,
    checkpoint_revert,
    diff_complete,
    project_create,
    project_delete,
    revert_complete,
    session_set,
    session_stop,
    thread_create,
    thread_delete,
    thread_meta_update,
    turn_interrupt,
    turn_start,
)

THREAD = (project_create("p1"), thread_create("t1"))

OF_A_THREAD = [
    thread_meta_update("t1", title=Label("x")),
    thread_delete("t1"),
    turn_start("t1"),
    turn_interrupt("t1"),
    approval_respond("t1"),
    checkpoint_revert("t1"),
    session_stop("t1"),
    session_set("ready"),
    assistant_delta(),
    assistant_complete(),
    diff_complete(),
    activity_append(),
    revert_complete("t1"),
]


@pytest.mark.spec("E15", "E16", "E18")
def test_thread_create() -> None:
    outcome = given(project_create("p1")).when(
        thread_create("t1", branch="main", worktree_path="/tree", created_at=at(7))
    )
    outcome.then(
        ThreadCreated(
            thread_id=ThreadId("t1"),
            project_id=ProjectId("p1"),
            title=Label("A thread"),
            model=Label("model-1"),
            branch=Label("main"),
            worktree_path=Label("/tree"),
            created_at=at(7),
            updated_at=at(7),
        )
    )
    event = outcome.event
    assert (event.aggregate_kind, event.stream_id, event.stream_version, event.sequence) == ("thread", "t1", 1, 2)
    assert event.occurred_at == at(7)


@pytest.mark.spec("E45", "E46")
def test_thread_create_keeps_its_provider_and_may_lack_a_model() -> None:
    outcome = given(project_create("p1")).when(thread_create("t1", model=UNSET, provider="codex"))
    created = outcome.event.payload
    assert isinstance(created, ThreadCreated)
    assert (created.model, created.provider) == (UNSET, "codex")


@pytest.mark.spec("E3")
def test_a_project_and_a_thread_with_one_id_are_two_streams() -> None:
    outcome = given(project_create("same")).when(thread_create("same", project_id="same"))
    assert (outcome.event.aggregate_kind, outcome.event.stream_version) == ("thread", 1)


@pytest.mark.spec("E24")
def test_thread_create_needs_a_live_project() -> None:
    given().when(thread_create("t1", project_id="p1")).then_rejected("p1")
    given(project_create("p1"), project_delete("p1")).when(thread_create("t1", project_id="p1")).then_rejected("p1")


@pytest.mark.spec("E22")
def test_thread_create_refuses_an_id_that_exists_or_ever_existed() -> None:
    given(*THREAD).when(thread_create("t1")).then_rejected("t1")
    given(*THREAD, thread_delete("t1")).when(thread_create("t1")).then_rejected("t1")


@pytest.mark.spec("E22")
def test_thread_ids_are_one_space_over_all_projects() -> None:
    given(*THREAD, project_create("p2")).when(thread_create("t1", project_id="p2")).then_rejected("t1")


@pytest.mark.spec("E15", "E16", "E18")
def test_thread_meta_update_distinguishes_absent_and_null() -> None:
    thread = given(*THREAD)
    thread.when(thread_meta_update("t1", branch=None, model=Label("model-2"))).then(
        ThreadMetaUpdated(thread_id=ThreadId("t1"), branch=None, model=Label("model-2"), updated_at=at(3))
    )
    outcome = thread.when(thread_meta_update("t1", title=Label("New"), worktree_path=None))
    outcome.then(ThreadMetaUpdated(thread_id=ThreadId("t1"), title=Label("New"), worktree_path=None, updated_at=at(4)))
    assert outcome.event.occurred_at == at(4)


@pytest.mark.spec("E16", "E18")
def test_thread_delete() -> None:
    outcome = given(*THREAD).when(thread_delete("t1"))
    outcome.then(ThreadDeleted(thread_id=ThreadId("t1"), deleted_at=at(3)))
    assert outcome.event.occurred_at == at(3)


@pytest.mark.spec("E18")
def test_session_stop_is_requested() -> None:
    outcome = given(*THREAD).when(session_stop("t1", created_at=at(7)))
    outcome.then(ThreadSessionStopRequested(thread_id=ThreadId("t1"), created_at=at(7)))
    assert outcome.event.occurred_at == at(7)


@pytest.mark.spec("E23")
@pytest.mark.parametrize("command", OF_A_THREAD, ids=lambda command: command.type)
def test_a_thread_that_never_was_refuses_every_command(command: Command) -> None:
    given(project_create("p1")).when(command).then_rejected("t1")


@pytest.mark.spec("E23")
@pytest.mark.parametrize("command", OF_A_THREAD, ids=lambda command: command.type)
def test_a_deleted_thread_refuses_every_command(command: Command) -> None:
    given(*THREAD, thread_delete("t1")).when(command).then_rejected("t1")


@pytest.mark.spec("E23")
@pytest.mark.parametrize("status", ["idle", "starting", "running", "ready", "interrupted", "error"])
def test_a_deleted_thread_refuses_a_session_that_is_not_stopped(status: SessionStatus) -> None:
    given(*THREAD, thread_delete("t1")).when(session_set(status)).then_rejected("t1")


@pytest.mark.spec("E23")
def test_a_deleted_thread_accepts_that_its_session_stopped() -> None:
    stopped = session_set("stopped")
    given(*THREAD, session_set("ready"), thread_delete("t1")).when(stopped).then(
        ThreadSessionSetEvent(thread_id=ThreadId("t1"), session=stopped.session, created_at=stopped.created_at)
    )


OPTIONS = (
    {"id": "once", "name": "Allow", "kind": "allow_once"},
    {"id": "never", "name": "Never", "kind": "reject_always"},
    {"id": "later", "name": "Ask me later", "kind": "a kind of a later version"},
)


@pytest.mark.lesson("L48")
@pytest.mark.parametrize(
    ("option", "decision", "accepted"),
    [
        ("once", "accept", True),
        ("once", "acceptForSession", True),
        ("never", "decline", True),
        ("later", "accept", True),
        ("later", "cancel", True),
        ("once", "decline", False),
        ("never", "accept", False),
        ("Once", "accept", False),
        ("~s1/1", "accept", False),
    ],
)
def test_an_answer_names_an_option_of_its_request_that_fits_the_decision(
    option: str, decision: ApprovalDecision, accepted: bool
) -> None:
    asked = given(project_create(), thread_create(), approval_requested("r1", options=OPTIONS))
    answered = asked.when(approval_respond("t1", "r1", decision, option_id=option))
    if accepted:
        answered.then_accepted()
    else:
        answered.then_rejected(option)


@pytest.mark.lesson("L48")
def test_a_request_without_options_is_answered_by_a_decision_alone() -> None:
    asked = given(project_create(), thread_create(), approval_requested("r1"))
    asked.when(approval_respond("t1", "r1", option_id="once")).then_rejected("once", "r1", "t1")
    asked.when(approval_respond("t1", "r1")).then_accepted()
