from __future__ import annotations

import pytest

from orchestrion.persistence.models import ProjectionCheckpoint
from tests.support.payloads import OTHER_THREAD, THREAD, at, changed_file, diff_completed, reverted
from tests.support.projection_scenarios import given


@pytest.mark.spec("P24")
def test_a_completed_diff_inserts_the_row() -> None:
    given(
        diff_completed(2, turn="turn-2", time=1, files=(changed_file("a.py"),), assistant_message_id="answer")
    ).expect_rows(
        ProjectionCheckpoint,
        {
            "thread_id": THREAD,
            "turn_id": "turn-2",
            "checkpoint_turn_count": 2,
            "checkpoint_ref": "refs/checkpoint/2",
            "status": "ready",
            "files_json": '[{"path":"a.py","kind":"modified","additions":2,"deletions":1}]',
            "assistant_message_id": "answer",
            "completed_at": at(1),
        },
    )


@pytest.mark.spec("P24", "P33")
def test_the_same_count_again_updates_in_place() -> None:
    given(
        diff_completed(1, status="missing", assistant_message_id="answer"),
        diff_completed(2),
        diff_completed(1, turn="turn-9", time=5, checkpoint_ref="refs/again", files=(changed_file("b"),)),
    ).expect_rows(
        ProjectionCheckpoint,
        {
            "checkpoint_turn_count": 1,
            "turn_id": "turn-9",
            "checkpoint_ref": "refs/again",
            "status": "ready",
            "files_json": '[{"path":"b","kind":"modified","additions":2,"deletions":1}]',
            "assistant_message_id": None,
            "completed_at": at(5),
        },
        {"checkpoint_turn_count": 2},
    )


@pytest.mark.spec("P25")
def test_a_revert_removes_those_above_its_count() -> None:
    given(
        diff_completed(0),
        diff_completed(1),
        diff_completed(2),
        diff_completed(3),
        reverted(1),
        diff_completed(2, time=9),
    ).expect_rows(
        ProjectionCheckpoint,
        {"checkpoint_turn_count": 0},
        {"checkpoint_turn_count": 1},
        {"checkpoint_turn_count": 2, "completed_at": at(9)},
    )


@pytest.mark.spec("P30")
def test_counts_of_another_thread_are_its_own() -> None:
    given(
        diff_completed(1, time=1),
        diff_completed(1, time=2, thread=OTHER_THREAD),
        reverted(0, thread=OTHER_THREAD),
    ).expect_rows(ProjectionCheckpoint, {"thread_id": THREAD, "completed_at": at(1)})
