"""Checkpoints and reverts: which turn a diff belongs to, how far back a thread goes, what that removes."""

from __future__ import annotations

import pytest

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import (
    ThreadCheckpointRevertRequested,
    ThreadReverted,
    ThreadTurnDiffCompleted,
)
from orchestrion.contracts.ids import CheckpointRef, MessageId, ThreadId, TurnId
from orchestrion.contracts.values import Count
from orchestrion.testing.given import given
from tests.support.builders import (
    approval_requested,
    approval_respond,
    assistant_complete,
    assistant_delta,
    at,
    changed_file,
    checkpoint_revert,
    diff_complete,
    project_create,
    revert_complete,
    session_set,
    thread_create,
    turn_start,
)

THREAD = (project_create("p1"), thread_create("t1"))


def _turn(number: int) -> tuple[Command, ...]:
    """A whole turn: requested as `ask-n`, answered as `answer-n`, with a checkpoint."""
    turn_id = f"turn-{number}"
    return (
        turn_start(message_id=f"ask-{number}"),
        session_set("running", active_turn_id=turn_id),
        assistant_delta(f"answer-{number}", turn_id=turn_id),
        assistant_complete(f"answer-{number}", turn_id=turn_id),
        session_set("ready"),
        diff_complete(turn_id, number, checkpoint_ref=f"checkpoint/{number}"),
    )


THREE_TURNS = (*THREAD, *_turn(1), *_turn(2), *_turn(3))


def _reverted(turn_count: int, turns: list[str], messages: list[str], latest: str | None) -> ThreadReverted:
    return ThreadReverted(
        thread_id=ThreadId("t1"),
        turn_count=Count(turn_count),
        removed_turn_ids=tuple(TurnId(turn) for turn in turns),
        removed_message_ids=tuple(MessageId(message) for message in messages),
        latest_turn_id=None if latest is None else TurnId(latest),
        created_at=at(9),
    )


@pytest.mark.spec("E16", "E18", "E29")
def test_a_diff_of_a_turn_is_recorded() -> None:
    thread = given(*THREAD, turn_start(), session_set("running", active_turn_id="turn-1"))
    outcome = thread.when(
        diff_complete(
            "turn-1",
            1,
            files=(changed_file(),),
            assistant_message_id="m2",
            completed_at=at(8),
            created_at=at(9),
        )
    )
    outcome.then(
        ThreadTurnDiffCompleted(
            thread_id=ThreadId("t1"),
            turn_id=TurnId("turn-1"),
            checkpoint_turn_count=Count(1),
            checkpoint_ref=CheckpointRef("checkpoint/1"),
            status="ready",
            files=(changed_file(),),
            assistant_message_id=MessageId("m2"),
            completed_at=at(8),
            created_at=at(9),
        )
    )
    assert outcome.event.occurred_at == at(9)


def test_a_diff_without_an_assistant_message_names_none() -> None:
    event = given(*THREAD, turn_start(), session_set("running", active_turn_id="turn-1")).when(diff_complete()).event
    assert isinstance(event.payload, ThreadTurnDiffCompleted)
    assert event.payload.assistant_message_id is None


@pytest.mark.spec("E29")
def test_a_diff_needs_a_turn_of_its_thread() -> None:
    given(*THREAD, turn_start()).when(diff_complete("turn-1", 1)).then_rejected("turn-1", "t1")
    given(*THREE_TURNS, thread_create("t2")).when(diff_complete("turn-1", 1, thread_id="t2")).then_rejected(
        "turn-1", "t2"
    )


@pytest.mark.spec("E29")
def test_a_diff_of_a_removed_turn_is_refused() -> None:
    given(*THREE_TURNS, revert_complete(turn_count=2)).when(diff_complete("turn-3", 3)).then_rejected("turn-3", "t1")


@pytest.mark.spec("E29")
def test_a_diff_carries_its_turns_count() -> None:
    given(*THREE_TURNS).when(diff_complete("turn-2", 3)).then_rejected("turn-2", "t1")
    given(*THREE_TURNS).when(diff_complete("turn-2", 2)).then_accepted()


@pytest.mark.spec("E16", "E18", "E27")
@pytest.mark.parametrize("turn_count", [0, 1, 3])
def test_revert_is_requested_up_to_the_highest_checkpoint(turn_count: int) -> None:
    outcome = given(*THREE_TURNS).when(checkpoint_revert(turn_count=turn_count, created_at=at(9)))
    outcome.then(
        ThreadCheckpointRevertRequested(thread_id=ThreadId("t1"), turn_count=Count(turn_count), created_at=at(9))
    )
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E27")
def test_revert_above_the_highest_checkpoint_is_refused() -> None:
    given(*THREE_TURNS).when(checkpoint_revert(turn_count=4)).then_rejected("t1")
    given(*THREAD).when(checkpoint_revert(turn_count=1)).then_rejected("t1")


@pytest.mark.spec("E27")
def test_revert_counts_checkpoints_and_not_turns() -> None:
    without_checkpoint = _turn(4)[:-1]
    given(*THREE_TURNS, *without_checkpoint).when(checkpoint_revert(turn_count=4)).then_rejected("t1")


@pytest.mark.spec("E27")
def test_checkpoints_that_a_revert_removed_do_not_count() -> None:
    given(*THREE_TURNS, revert_complete(turn_count=1)).when(checkpoint_revert(turn_count=2)).then_rejected("t1")


@pytest.mark.spec("E27")
def test_revert_is_refused_while_a_turn_runs() -> None:
    running = (turn_start(message_id="ask-4"), session_set("running", active_turn_id="turn-4"))
    given(*THREE_TURNS, *running).when(checkpoint_revert(turn_count=1)).then_rejected("turn-4", "t1")
    given(*THREE_TURNS, *running, session_set("ready")).when(checkpoint_revert(turn_count=1)).then_accepted()


@pytest.mark.spec("E16", "E18", "E34")
def test_reverted_names_removed_items_and_the_last_turn_kept() -> None:
    outcome = given(*THREE_TURNS).when(revert_complete(turn_count=1, created_at=at(9)))
    outcome.then(
        _reverted(1, ["turn-2", "turn-3"], ["ask-2", "ask-3", "answer-2", "answer-3"], "turn-1"),
    )
    assert outcome.event.occurred_at == at(9)


@pytest.mark.spec("E34")
def test_a_revert_before_the_first_turn_keeps_none() -> None:
    given(*THREAD, *_turn(1)).when(revert_complete(turn_count=0, created_at=at(9))).then(
        _reverted(0, ["turn-1"], ["ask-1", "answer-1"], None)
    )


@pytest.mark.spec("E34")
def test_a_revert_to_the_present_removes_nothing() -> None:
    given(*THREE_TURNS).when(revert_complete(turn_count=3, created_at=at(9))).then(_reverted(3, [], [], "turn-3"))
    given(*THREAD).when(revert_complete(turn_count=0, created_at=at(9))).then(_reverted(0, [], [], None))


@pytest.mark.spec("E34")
def test_messages_of_no_turn_and_of_queued_turns_stay() -> None:
    thread = given(*THREAD, *_turn(1), assistant_delta("loose"), turn_start(message_id="queued"))
    thread.when(revert_complete(turn_count=0, created_at=at(9))).then(
        _reverted(0, ["turn-1"], ["ask-1", "answer-1"], None)
    )
    assert thread.host.message(MessageId("loose")) is not None
    assert thread.host.message(MessageId("queued")) is not None
    thread.when(session_set("running", active_turn_id="turn-2")).then_accepted()


@pytest.mark.spec("E34")
def test_a_revert_leaves_other_threads_alone() -> None:
    other = (turn_start("t2", "other"), session_set("running", thread_id="t2", active_turn_id="turn-2"))
    thread = given(*THREAD, *_turn(1), thread_create("t2"), *other)
    thread.when(revert_complete(turn_count=0, created_at=at(9))).then(
        _reverted(0, ["turn-1"], ["ask-1", "answer-1"], None)
    )
    assert thread.host.threads[ThreadId("t2")].running_turn_id == "turn-2"


@pytest.mark.spec("E34")
def test_second_revert_removes_the_remaining_turns() -> None:
    given(*THREE_TURNS, revert_complete(turn_count=2)).when(revert_complete(turn_count=1, created_at=at(9))).then(
        _reverted(1, ["turn-2"], ["ask-2", "answer-2"], "turn-1")
    )


@pytest.mark.spec("E28")
def test_revert_complete_without_a_cause_closes_the_matching_request() -> None:
    thread = given(*THREE_TURNS, checkpoint_revert(turn_count=2), checkpoint_revert(turn_count=1))
    requests = [event.event_id for event in thread.host.log[-2:]]
    assert thread.when(revert_complete(turn_count=1)).event.causation_event_id == requests[1]
    assert list(thread.host.threads[ThreadId("t1")].open_intents) == requests[:1]


@pytest.mark.spec("E9", "E28")
def test_revert_complete_keeps_the_cause_its_sender_names() -> None:
    thread = given(*THREE_TURNS, checkpoint_revert(turn_count=1), checkpoint_revert(turn_count=1))
    cause = thread.host.log[-1].event_id
    assert thread.when(revert_complete(turn_count=1), caused_by=cause).event.causation_event_id == cause


@pytest.mark.spec("E28")
def test_revert_complete_without_any_request_has_no_cause() -> None:
    assert given(*THREE_TURNS).when(revert_complete(turn_count=1)).event.causation_event_id is None


@pytest.mark.spec("E28")
def test_revert_complete_is_refused_in_a_turn_and_above_the_highest() -> None:
    running = (turn_start(message_id="ask-4"), session_set("running", active_turn_id="turn-4"))
    given(*THREE_TURNS, *running).when(revert_complete(turn_count=1)).then_rejected("turn-4", "t1")
    given(*THREE_TURNS).when(revert_complete(turn_count=4)).then_rejected("t1")


@pytest.mark.spec("E26")
def test_a_revert_settles_the_approvals_of_the_turns_it_removes() -> None:
    approvals = (approval_requested("r2", turn_id="turn-2"), approval_requested("r1", turn_id="turn-1"))
    thread = given(*THREE_TURNS, *approvals, revert_complete(turn_count=1))
    thread.when(approval_respond("t1", "r2")).then_rejected("r2", "t1")
    thread.when(approval_respond("t1", "r1")).then_accepted()
