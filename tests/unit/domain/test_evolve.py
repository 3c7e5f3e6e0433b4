"""The fold: the decision state after an event."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from orchestrion.contracts.commands import Command
from orchestrion.contracts.ids import MessageId, ProjectId, ThreadId
from orchestrion.contracts.values import SessionStatus
from orchestrion.domain.evolve import evolve_project, evolve_thread
from orchestrion.domain.state import ThreadState
from orchestrion.testing.given import Sent, Step, given
from orchestrion.testing.model_host import ModelHost
from tests.support.builders import (
    activity,
    activity_append,
    approval_requested,
    approval_resolved,
    approval_respond,
    assistant_complete,
    assistant_delta,
    checkpoint_revert,
    diff_complete,
    project_create,
    project_meta_update,
    revert_complete,
    session_set,
    session_stop,
    thread_create,
    thread_delete,
    turn_interrupt,
    turn_start,
)

THREAD = (project_create("p1"), thread_create("t1"))
RUNNING = (*THREAD, turn_start(message_id="m1"), session_set("running", active_turn_id="turn-1"))


def _thread(*steps: Step) -> ThreadState:
    return given(*steps).host.threads[ThreadId("t1")]


def _open(*steps: Step) -> list[str]:
    return [intent.kind for intent in _thread(*steps).open_intents.values()]


def test_versions_follow_each_stream() -> None:
    host = given(*RUNNING, project_meta_update("p1", default_model=None)).host
    thread, project = host.threads[ThreadId("t1")], host.projects[ProjectId("p1")]
    assert (thread.version, thread.last_sequence) == (4, 5)
    assert (project.version, project.last_sequence) == (2, 6)


def test_a_project_counts_its_live_threads_without_moving_its_version() -> None:
    host = given(*THREAD, thread_create("t2"), thread_delete("t1")).host
    project = host.projects[ProjectId("p1")]
    assert (project.live_threads, project.version, project.last_sequence) == (1, 1, 4)


def test_a_project_that_is_unknown_stays_unknown_to_a_threads_events() -> None:
    created = given(*THREAD).host.log[1]
    assert evolve_project(None, created) is None


def test_a_thread_that_is_unknown_stays_unknown_to_later_events() -> None:
    assert evolve_thread(None, given(*RUNNING).host.log[-1]) is None


def test_event_keeps_all_state_that_it_does_not_mention() -> None:
    """A field that is added to the state later is not reset by an event that is not about it."""
    thread = _thread(*RUNNING)
    positions = ("version", "last_sequence", "open_intents")
    facts: dict[str, Any] = {one.name: object() for one in attrs.fields(ThreadState) if one.name not in positions}
    full = attrs.evolve(thread, **facts)
    sent = given(*RUNNING, assistant_delta("m2", "text")).host.log[-1]
    after = evolve_thread(full, sent)
    assert after == attrs.evolve(full, version=sent.stream_version, last_sequence=sent.sequence)


def test_a_thread_is_not_touched_by_its_projects_events() -> None:
    host = given(*THREAD).host
    assert evolve_thread(host.threads[ThreadId("t1")], host.log[0]) is host.threads[ThreadId("t1")]


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("turn-interrupt", turn_interrupt("t1")),
        ("approval-response", approval_respond("t1", "r1")),
        ("session-stop", session_stop("t1")),
        ("turn-start", turn_start(message_id="m9")),
    ],
)
def test_a_request_is_an_open_intent_until_an_event_names_it_as_cause(kind: str, command: Command) -> None:
    thread = given(*RUNNING, approval_requested("r1"))
    request = thread.when(command).events[-1]
    state = thread.host.threads[ThreadId("t1")]
    assert [intent.kind for intent in state.open_intents.values()] == [kind]
    intent = state.open_intents[request.event_id]
    assert (intent.sequence, intent.correlation_id) == (request.sequence, command.command_id)
    thread.when(activity_append(activity("settled")), caused_by=request.event_id).then_accepted()
    assert not thread.host.threads[ThreadId("t1")].open_intents


def test_a_revert_is_open_until_it_is_complete() -> None:
    steps = (*RUNNING, session_set("ready"), diff_complete("turn-1", 1), checkpoint_revert(turn_count=1))
    assert _open(*steps) == ["checkpoint-revert"]
    assert _open(*steps, revert_complete(turn_count=1)) == []


def test_a_turns_request_is_open_until_the_turn_is() -> None:
    assert _open(*THREAD, turn_start()) == ["turn-start"]
    assert _open(*RUNNING) == []


def test_a_cause_that_is_no_intent_settles_none() -> None:
    assert _open(*THREAD, turn_start(), Sent(command=activity_append(), caused_by="event-3")) == ["turn-start"]


def test_queued_turns_stand_in_the_order_of_their_requests() -> None:
    state = _thread(*RUNNING, turn_start(message_id="m2"), turn_start(message_id="m3"))
    assert [(intent.turn_id, intent.message_id) for intent in state.queued_starts] == [
        ("turn-2", "m2"),
        ("turn-3", "m3"),
    ]


@pytest.mark.parametrize("status", ["idle", "starting", "running", "ready", "interrupted", "stopped", "error"])
def test_a_session_set_that_no_longer_names_the_turn_ends_it(status: SessionStatus) -> None:
    assert _thread(*RUNNING).running_turn_id == "turn-1"
    assert _thread(*RUNNING, session_set(status)).running_turn_id is None


@pytest.mark.parametrize("status", ["running", "ready"])
def test_a_session_set_that_still_names_the_turn_leaves_it_running(status: SessionStatus) -> None:
    assert _thread(*RUNNING, session_set(status, active_turn_id="turn-1")).running_turn_id == "turn-1"


def test_another_turn_takes_the_place_of_the_running_one() -> None:
    state = _thread(*RUNNING, turn_start(message_id="m2"), session_set("running", active_turn_id="turn-2"))
    assert state.running_turn_id == "turn-2"
    assert {turn_id: fact.turn_count for turn_id, fact in state.turns.items()} == {"turn-1": 1, "turn-2": 2}


def test_a_turn_that_is_over_stays_over() -> None:
    over = (*RUNNING, session_set("ready"))
    assert _thread(*over, session_set("running", active_turn_id="turn-1")).running_turn_id is None


def test_a_request_to_interrupt_ends_nothing() -> None:
    assert _thread(*RUNNING, turn_interrupt("t1")).running_turn_id == "turn-1"


def test_deletion_ends_the_turn_the_approvals_and_the_intents() -> None:
    state = _thread(*RUNNING, approval_requested("r1"), turn_start(message_id="m2"), thread_delete("t1"))
    assert (state.deleted, state.running_turn_id, dict(state.open_intents)) == (True, None, {})
    assert [fact.pending for fact in state.approvals.values()] == [False]


def test_the_end_of_a_deleted_threads_session_is_kept() -> None:
    state = _thread(*RUNNING, thread_delete("t1"), session_set("stopped"))
    assert state.deleted
    assert state.session is not None
    assert state.session.status == "stopped"


def test_an_approval_without_a_request_id_opens_nothing() -> None:
    asked = activity_append(activity(kind="approval.requested", payload={"requestId": "\n"}))
    assert not _thread(*RUNNING, asked).approvals


def test_an_activity_of_another_kind_opens_nothing() -> None:
    assert not _thread(*RUNNING, activity_append(activity(payload={"requestId": "r1"}))).approvals


def test_a_resolution_of_an_unknown_approval_leaves_no_trace() -> None:
    assert not _thread(*RUNNING, approval_resolved("r1")).approvals


def test_a_revert_forgets_turns_checkpoints_and_messages() -> None:
    steps = (
        *RUNNING,
        assistant_delta("m2", turn_id="turn-1"),
        assistant_complete("m2", turn_id="turn-1"),
        session_set("ready"),
        diff_complete("turn-1", 1),
    )
    host = given(*steps, revert_complete(turn_count=0)).host
    state = host.threads[ThreadId("t1")]
    assert _thread(*steps).checkpoint_counts == {1}
    assert (dict(state.turns), state.checkpoint_counts, state.highest_turn_count) == ({}, frozenset(), 0)
    assert host.message(MessageId("m1")) is None
    assert host.message(MessageId("m2")) is None


def test_a_message_keeps_the_first_turn_it_was_given() -> None:
    host = given(*RUNNING, assistant_delta("m2"), assistant_complete("m2", turn_id="turn-1")).host
    fact = host.messages[MessageId("m2")]
    assert (fact.turn_id, fact.streaming, fact.role, fact.last_sequence) == ("turn-1", False, "assistant", 7)


def test_folding_a_log_again_gives_the_same_states() -> None:
    host = given(*RUNNING, approval_requested("r1"), assistant_delta("m2", turn_id="turn-1"), session_set("error")).host
    again = ModelHost(host.log)
    assert (again.projects, again.threads, again.messages) == (host.projects, host.threads, host.messages)


def test_states_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        _thread(*THREAD).deleted = True  # type: ignore[misc]  # the assignment is what must fail
