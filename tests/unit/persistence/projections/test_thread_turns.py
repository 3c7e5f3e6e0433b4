from __future__ import annotations

import pytest

from orchestrion.contracts.values import SessionStatus, TurnStatus
from orchestrion.persistence.models import ProjectionThreadTurn
from tests.support.payloads import (
    OTHER_THREAD,
    THREAD,
    at,
    completion,
    delta,
    diff_completed,
    interrupt_requested,
    message_sent,
    reverted,
    session_set,
    thread_deleted,
    turn_opened,
    turn_start_requested,
    user_message,
)
from tests.support.projection_scenarios import given, occurred


@pytest.mark.spec("P17")
def test_the_session_set_that_opens_a_turn_inserts_it() -> None:
    given(turn_opened("turn-1", 3, user_message="message-9", time=1)).expect_rows(
        ProjectionThreadTurn,
        {
            "turn_id": "turn-1",
            "thread_id": THREAD,
            "turn_count": 3,
            "status": "running",
            "user_message_id": "message-9",
            "assistant_message_id": None,
            "started_at": at(1),
            "completed_at": None,
        },
    )


@pytest.mark.spec("P17")
def test_nothing_else_inserts_a_turn() -> None:
    given(
        turn_start_requested("turn-1"), session_set("running", turn="turn-1"), session_set("running", opens=1)
    ).expect_no_rows(ProjectionThreadTurn)


@pytest.mark.spec("P18")
def test_the_latest_assistant_message_of_a_turn_is_its_answer() -> None:
    given(
        turn_opened("turn-1", 1),
        delta("a", message="first"),
        delta("b", message="second"),
        completion(message="first"),
        completion(message="second"),
    ).expect_rows(ProjectionThreadTurn, {"turn_id": "turn-1", "assistant_message_id": "second"})


@pytest.mark.spec("P18")
def test_a_turn_that_is_over_still_takes_its_answer() -> None:
    given(turn_opened("turn-1", 1), session_set("ready"), completion(message="late")).expect_rows(
        ProjectionThreadTurn, {"status": "completed", "assistant_message_id": "late"}
    )


@pytest.mark.spec("P18")
def test_messages_of_users_and_of_no_turn_are_no_answers() -> None:
    given(
        turn_opened("turn-1", 1),
        user_message("hello"),
        message_sent("x", role="user", turn="turn-1"),
        message_sent("x", role="system", turn="turn-1"),
        message_sent("x", turn=None),
    ).expect_rows(ProjectionThreadTurn, {"assistant_message_id": None})


@pytest.mark.spec("P18")
def test_a_message_before_its_turn_was_opened_is_not_its_answer() -> None:
    given(delta("early"), turn_opened("turn-1", 1)).expect_rows(ProjectionThreadTurn, {"assistant_message_id": None})


@pytest.mark.spec("P19")
@pytest.mark.parametrize(
    ("session", "turn"),
    [
        ("ready", "completed"),
        ("idle", "completed"),
        ("error", "error"),
        ("stopped", "interrupted"),
        ("interrupted", "interrupted"),
        ("starting", "interrupted"),
        ("running", "interrupted"),
    ],
)
def test_a_turn_ends_by_the_session_set_that_no_longer_names_it(session: SessionStatus, turn: TurnStatus) -> None:
    given(turn_opened("turn-1", 1), session_set(session)).expect_rows(
        ProjectionThreadTurn, {"status": turn, "completed_at": occurred(2)}
    )


@pytest.mark.spec("P19")
def test_a_turn_that_is_still_named_runs_on() -> None:
    given(turn_opened("turn-1", 1), session_set("ready", turn="turn-1")).expect_rows(
        ProjectionThreadTurn, {"status": "running", "completed_at": None}
    )


@pytest.mark.spec("P19")
def test_a_turn_that_opens_interrupts_the_one_that_runs() -> None:
    given(turn_opened("turn-1", 1), turn_opened("turn-2", 2)).expect_rows(
        ProjectionThreadTurn,
        {"turn_id": "turn-1", "status": "interrupted", "completed_at": occurred(2)},
        {"turn_id": "turn-2", "status": "running", "completed_at": None},
    )


@pytest.mark.spec("P20")
def test_turn_that_is_over_keeps_its_status() -> None:
    given(
        turn_opened("turn-1", 1),
        session_set("ready"),
        session_set("error"),
        session_set("running", turn="turn-1"),
        turn_opened("turn-1", 1),
        session_set("stopped"),
        thread_deleted(),
    ).expect_rows(ProjectionThreadTurn, {"status": "completed", "completed_at": occurred(2)})


@pytest.mark.spec("P21")
def test_deleting_the_thread_interrupts_its_running_turn() -> None:
    given(turn_opened("turn-1", 1), thread_deleted(time=5)).expect_rows(
        ProjectionThreadTurn, {"status": "interrupted", "completed_at": occurred(2)}
    )


@pytest.mark.spec("P22")
def test_a_request_to_interrupt_and_a_completed_diff_end_nothing() -> None:
    given(
        turn_opened("turn-1", 1), interrupt_requested("turn-1"), diff_completed(4, turn="turn-1", status="error")
    ).expect_rows(ProjectionThreadTurn, {"status": "running", "turn_count": 1, "completed_at": None})


@pytest.mark.spec("P23")
def test_a_revert_removes_its_turns() -> None:
    given(
        turn_opened("turn-1", 1),
        turn_opened("turn-2", 2),
        turn_opened("turn-3", 3),
        reverted(1, turns=("turn-2", "turn-3"), latest="turn-1"),
        turn_opened("turn-4", 2),
    ).expect_rows(ProjectionThreadTurn, {"turn_id": "turn-1", "turn_count": 1}, {"turn_id": "turn-4", "turn_count": 2})


@pytest.mark.spec("P30")
def test_a_turn_of_another_thread_is_not_touched() -> None:
    given(
        turn_opened("turn-1", 1),
        turn_opened("turn-1", 1, thread=OTHER_THREAD),
        delta("theirs", thread=OTHER_THREAD),
        session_set("error", thread=OTHER_THREAD),
        thread_deleted(OTHER_THREAD),
        reverted(0, turns=("turn-1",), thread=OTHER_THREAD),
    ).expect_rows(
        ProjectionThreadTurn,
        {"thread_id": THREAD, "status": "running", "assistant_message_id": None, "completed_at": None},
    )


@pytest.mark.spec("P30")
def test_freed_turn_id_belongs_to_its_next_user() -> None:
    given(
        turn_opened("turn-1", 1),
        delta("early", thread=OTHER_THREAD),
        reverted(0, turns=("turn-1",)),
        turn_opened("turn-1", 1, thread=OTHER_THREAD),
        delta("mine", thread=THREAD),
    ).expect_rows(ProjectionThreadTurn, {"thread_id": OTHER_THREAD, "assistant_message_id": None})


def test_a_count_that_is_taken_opens_no_second_turn() -> None:
    given(turn_opened("turn-1", 1), turn_opened("turn-2", 1)).expect_rows(
        ProjectionThreadTurn, {"turn_id": "turn-1", "status": "interrupted"}
    )
