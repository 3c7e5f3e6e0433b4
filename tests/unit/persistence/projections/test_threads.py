from __future__ import annotations

import pytest

from orchestrion.contracts.events import EventPayload
from orchestrion.persistence.models import ProjectionThread
from tests.support.payloads import (
    activity,
    approval_response,
    at,
    completion,
    delta,
    diff_completed,
    interrupt_requested,
    revert_requested,
    reverted,
    session_set,
    stop_requested,
    thread_created,
    thread_deleted,
    thread_meta_updated,
    turn_opened,
    turn_start_requested,
    user_message,
)
from tests.support.projection_scenarios import Occurrence, given, occurred


@pytest.mark.spec("P4")
def test_created_inserts_the_row() -> None:
    given(thread_created("t", time=1, branch="main", worktree_path="/tree", updated_at=at(2))).expect_rows(
        ProjectionThread,
        {
            "thread_id": "t",
            "project_id": "project-1",
            "title": "Title",
            "model": "model-a",
            "branch": "main",
            "worktree_path": "/tree",
            "latest_turn_id": None,
            "created_at": at(1),
            "updated_at": at(2),
            "deleted_at": None,
        },
    )


@pytest.mark.spec("P5")
def test_meta_updated_changes_the_fields_present() -> None:
    given(
        thread_created(branch="main", worktree_path="/tree"),
        thread_meta_updated(time=2, title="New"),
        thread_meta_updated(time=3, branch=None, model="model-b"),
    ).expect_rows(
        ProjectionThread,
        {"title": "New", "model": "model-b", "branch": None, "worktree_path": "/tree", "updated_at": at(3)},
    )


@pytest.mark.spec("P5")
def test_meta_updated_clears_the_worktree() -> None:
    given(thread_created(worktree_path="/tree"), thread_meta_updated(worktree_path=None)).expect_rows(
        ProjectionThread, {"worktree_path": None}
    )


@pytest.mark.spec("P6")
def test_deleted_keeps_the_row() -> None:
    given(thread_created(time=1), thread_deleted(time=5)).expect_rows(
        ProjectionThread, {"created_at": at(1), "updated_at": at(5), "deleted_at": at(5)}
    )


@pytest.mark.spec("P7")
@pytest.mark.parametrize(
    "payload",
    [user_message("hello"), delta("a"), completion(), activity(), session_set("ready"), diff_completed(1), reverted(0)],
    ids=lambda payload: payload.event_type,
)
def test_events_of_a_thread_set_updated_at(payload: EventPayload) -> None:
    given(thread_created(), Occurrence(payload, occurred_at=at(42))).expect_rows(
        ProjectionThread, {"updated_at": at(42)}
    )


@pytest.mark.spec("P7")
@pytest.mark.parametrize(
    "intent",
    [
        turn_start_requested(),
        interrupt_requested(),
        approval_response("request-1", "accept"),
        revert_requested(0),
        stop_requested(),
    ],
    ids=lambda intent: intent.event_type,
)
def test_intents_leave_updated_at(intent: EventPayload) -> None:
    given(thread_created(time=1), Occurrence(intent, occurred_at=at(42))).expect_rows(
        ProjectionThread, {"updated_at": at(1)}
    )


@pytest.mark.spec("P7")
def test_updated_at_is_that_of_the_last_event_even_when_it_is_earlier() -> None:
    given(
        thread_created(time=50), Occurrence(delta("a"), occurred_at=at(40)), Occurrence(delta("b"), occurred_at=at(30))
    ).expect_rows(ProjectionThread, {"updated_at": at(30)})


@pytest.mark.spec("P8")
def test_an_active_turn_stays_the_latest_when_the_session_has_none() -> None:
    given(thread_created(), turn_opened("turn-7", 1), session_set("ready")).expect_rows(
        ProjectionThread, {"latest_turn_id": "turn-7"}
    )


@pytest.mark.spec("P8")
def test_a_completed_diff_names_the_latest_turn() -> None:
    given(thread_created(), turn_opened("turn-7", 1), diff_completed(1, turn="turn-6")).expect_rows(
        ProjectionThread, {"latest_turn_id": "turn-6"}
    )


@pytest.mark.spec("P8")
@pytest.mark.parametrize("latest", ["turn-1", None])
def test_a_revert_sets_the_latest_turn_to_the_last_one_kept(latest: str | None) -> None:
    given(thread_created(), turn_opened("turn-1", 1), turn_opened("turn-2", 2), reverted(1, latest=latest)).expect_rows(
        ProjectionThread, {"latest_turn_id": latest}
    )


@pytest.mark.spec("P30")
def test_events_of_another_thread_leave_the_row() -> None:
    given(thread_created("a", time=1), thread_created("b", time=2), turn_opened("turn-1", 1, thread="b")).expect_rows(
        ProjectionThread,
        {"thread_id": "a", "latest_turn_id": None, "updated_at": at(1)},
        {"thread_id": "b", "latest_turn_id": "turn-1", "updated_at": occurred(3)},
    )


@pytest.mark.spec("P30")
def test_event_belongs_to_its_stream_not_to_its_payload() -> None:
    given(
        thread_created("a", time=1), thread_created("b", time=2), Occurrence(thread_deleted("a", time=9), stream="b")
    ).expect_rows(ProjectionThread, {"thread_id": "a", "deleted_at": None}, {"thread_id": "b", "deleted_at": at(9)})


@pytest.mark.spec("P33")
def test_updates_keep_the_order_of_arrival() -> None:
    given(
        thread_created("z"), thread_created("a"), delta("x", thread="z"), thread_meta_updated("a", title="New")
    ).expect_rows(ProjectionThread, {"thread_id": "z"}, {"thread_id": "a"})


def test_events_before_the_creation_change_nothing() -> None:
    given(turn_opened("turn-1", 1), thread_created(time=1)).expect_rows(
        ProjectionThread, {"latest_turn_id": None, "updated_at": at(1)}
    )


def test_a_second_creation_of_an_id_is_ignored() -> None:
    given(thread_created(title="First"), turn_opened("turn-1", 1), thread_created(title="Second")).expect_rows(
        ProjectionThread, {"title": "First", "latest_turn_id": "turn-1"}
    )
