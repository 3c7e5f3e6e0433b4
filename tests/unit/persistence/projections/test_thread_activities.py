from __future__ import annotations

import pytest

from orchestrion.persistence.models import ProjectionThreadActivity
from tests.support.payloads import OTHER_THREAD, THREAD, activity, at, reverted, thread_created
from tests.support.projection_scenarios import given


@pytest.mark.spec("P14")
def test_appended_inserts_the_row() -> None:
    payload = {"toolName": "shell", "count": 2, "nothing": None}
    given(
        activity("a", turn="turn-1", tone="tool", kind="tool.started", summary="Runs", payload=payload, time=1)
    ).expect_rows(
        ProjectionThreadActivity,
        {
            "activity_id": "a",
            "thread_id": THREAD,
            "turn_id": "turn-1",
            "tone": "tool",
            "kind": "tool.started",
            "summary": "Runs",
            "payload_json": '{"toolName":"shell","count":2,"nothing":null}',
            "created_at": at(1),
        },
    )


@pytest.mark.spec("P14", "P33")
def test_appended_again_takes_its_new_content_and_keeps_its_place() -> None:
    given(
        activity("z", summary="Old", time=1),
        activity("a", summary="Other", time=2),
        activity("z", summary="New", turn=None, tone="error", kind="x", payload={"a": 1}, time=3),
    ).expect_rows(
        ProjectionThreadActivity,
        {
            "activity_id": "z",
            "thread_id": THREAD,
            "turn_id": None,
            "tone": "error",
            "kind": "x",
            "summary": "New",
            "payload_json": '{"a":1}',
            "created_at": at(3),
        },
        {"activity_id": "a", "summary": "Other"},
    )


@pytest.mark.spec("E45")
def test_a_thread_for_a_provider_has_an_activity_that_names_it() -> None:
    given(thread_created(provider="codex", time=1), thread_created(OTHER_THREAD)).expect_rows(
        ProjectionThreadActivity,
        {
            "thread_id": THREAD,
            "turn_id": None,
            "tone": "info",
            "kind": "thread.provider",
            "payload_json": '{"name":"codex"}',
            "created_at": at(1),
        },
    )


@pytest.mark.spec("P15")
def test_a_revert_removes_those_of_its_turns() -> None:
    given(
        activity("kept", turn="turn-1"),
        activity("gone", turn="turn-2"),
        activity("turn-less", turn=None),
        activity("gone too", turn="turn-3"),
        reverted(1, turns=("turn-2", "turn-3")),
        activity("later", turn="turn-2"),
    ).expect_rows(
        ProjectionThreadActivity, {"activity_id": "kept"}, {"activity_id": "turn-less"}, {"activity_id": "later"}
    )


@pytest.mark.spec("P30")
def test_an_activity_of_another_thread_is_not_touched() -> None:
    given(
        activity("a", summary="Mine", turn="turn-1"),
        activity("a", summary="Theirs", thread=OTHER_THREAD),
        reverted(0, turns=("turn-1",), thread=OTHER_THREAD),
    ).expect_rows(ProjectionThreadActivity, {"activity_id": "a", "thread_id": THREAD, "summary": "Mine"})
