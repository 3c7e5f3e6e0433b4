from __future__ import annotations

import pytest

from orchestrion.persistence.models import ProjectionThreadMessage
from orchestrion.persistence.projections import thread_messages
from tests.support.payloads import (
    OTHER_THREAD,
    THREAD,
    at,
    completion,
    delta,
    message_sent,
    reverted,
    user_message,
)
from tests.support.projection_scenarios import Occurrence, given


@pytest.mark.spec("P11")
def test_a_user_message_is_a_row_that_does_not_stream() -> None:
    given(user_message("hello", message="m", time=1)).expect_rows(
        ProjectionThreadMessage,
        {
            "message_id": "m",
            "thread_id": THREAD,
            "turn_id": None,
            "role": "user",
            "text": "hello",
            "is_streaming": 0,
            "created_at": at(1),
            "updated_at": at(1),
        },
    )


@pytest.mark.spec("P9", "P12")
def test_deltas_are_appended() -> None:
    given(delta("Hel", time=1), delta("lo, ", time=2), delta("world", time=3)).expect_rows(
        ProjectionThreadMessage,
        {"text": "Hello, world", "is_streaming": 1, "created_at": at(1), "updated_at": at(3)},
    )


@pytest.mark.spec("P9")
def test_a_hundred_deltas_are_one_text() -> None:
    pieces = [f"{number} " for number in range(100)]
    given(*(delta(piece) for piece in pieces)).expect_rows(ProjectionThreadMessage, {"text": "".join(pieces)})


@pytest.mark.spec("P10", "P12")
def test_completion_with_empty_text_keeps_the_text() -> None:
    given(delta("Hello", time=1), completion(time=2)).expect_rows(
        ProjectionThreadMessage, {"text": "Hello", "is_streaming": 0, "created_at": at(1), "updated_at": at(2)}
    )


@pytest.mark.spec("P10")
def test_completion_of_an_unknown_message_creates_an_empty_row() -> None:
    given(completion(message="m", time=1)).expect_rows(
        ProjectionThreadMessage, {"message_id": "m", "text": "", "is_streaming": 0, "created_at": at(1)}
    )


@pytest.mark.spec("P11", "P12")
def test_text_that_does_not_stream_replaces() -> None:
    given(delta("Hel", time=1), delta("lo", time=2), message_sent("Goodbye", time=3)).expect_rows(
        ProjectionThreadMessage, {"text": "Goodbye", "is_streaming": 0, "created_at": at(1), "updated_at": at(3)}
    )


@pytest.mark.spec("P9")
def test_a_delta_to_a_message_that_is_over_appends_and_streams() -> None:
    given(message_sent("Hello"), delta("!")).expect_rows(ProjectionThreadMessage, {"text": "Hello!", "is_streaming": 1})


def test_turn_is_the_first_that_is_named_and_role_the_first_events() -> None:
    given(
        delta("a", turn=None, role="system"), delta("b", turn="turn-2"), delta("c", turn="turn-3", role="user")
    ).expect_rows(ProjectionThreadMessage, {"turn_id": "turn-2", "role": "system", "text": "abc"})


@pytest.mark.spec("P13")
def test_a_revert_removes_the_messages_it_names_and_those_of_its_turns() -> None:
    given(
        user_message("1", message="user-1"),
        message_sent("2", message="answer-1", turn="turn-1"),
        user_message("3", message="user-2"),
        message_sent("4", message="answer-2", turn="turn-2"),
        message_sent("5", message="second-answer-2", turn="turn-2"),
        user_message("6", message="queued"),
        reverted(1, turns=("turn-2",), messages=("user-2", "answer-2")),
    ).expect_rows(
        ProjectionThreadMessage, {"message_id": "user-1"}, {"message_id": "answer-1"}, {"message_id": "queued"}
    )


@pytest.mark.spec("P13")
def test_delta_for_a_removed_message_begins_a_new_one() -> None:
    given(
        delta("old", message="a", time=1),
        delta("x", message="b"),
        reverted(0, messages=("a",)),
        delta("new", message="a"),
    ).expect_rows(
        ProjectionThreadMessage,
        {"message_id": "b", "text": "x"},
        {"message_id": "a", "text": "new", "created_at": at(0)},
    )


@pytest.mark.spec("P30")
def test_a_message_of_another_thread_is_not_touched() -> None:
    given(
        delta("mine", thread=THREAD),
        delta("theirs", thread=OTHER_THREAD, time=5),
        message_sent("theirs", thread=OTHER_THREAD, time=6),
        completion(thread=OTHER_THREAD, time=7),
    ).expect_rows(
        ProjectionThreadMessage, {"thread_id": THREAD, "text": "mine", "is_streaming": 1, "updated_at": at(0)}
    )


@pytest.mark.spec("P30")
def test_revert_leaves_other_threads_under_any_ids() -> None:
    given(
        delta("mine", message="m", turn="turn-1"),
        reverted(0, turns=("turn-1",), messages=("m",), thread=OTHER_THREAD),
        Occurrence(reverted(0, turns=("turn-1",), messages=("m",), thread=THREAD), stream=OTHER_THREAD),
    ).expect_rows(ProjectionThreadMessage, {"message_id": "m", "text": "mine"})


@pytest.mark.spec("P33")
def test_updates_keep_the_order_of_arrival() -> None:
    given(
        delta("1", message="z"),
        delta("2", message="a"),
        delta("3", message="m"),
        message_sent("4", message="a"),
        completion(message="z"),
    ).expect_rows(
        ProjectionThreadMessage,
        {"message_id": "z", "text": "1"},
        {"message_id": "a", "text": "4"},
        {"message_id": "m", "text": "3"},
    )


def test_text_is_kept_to_the_character() -> None:
    text = "nul\0, quotes '\", snow \N{SNOWMAN}, piano \N{MUSICAL KEYBOARD}\r\n"
    given(delta(text), delta(text)).expect_rows(ProjectionThreadMessage, {"text": text + text})


@pytest.mark.lesson("L45")
def test_a_row_is_cut_at_its_bound_however_its_text_was_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_messages, "MAX_ROW_BYTES", 10)
    pieces = ["abé", "", "defgh", "ijk\0", "l", "mnopq"]
    whole = "".join(pieces)
    kept = "abédefghi"
    expected = f"{kept}… [cut: {len(whole) - len(kept)} characters]"
    given(*(delta(piece) for piece in pieces)).expect_rows(ProjectionThreadMessage, {"text": expected})
    for split in range(len(whole)):
        text = thread_messages.append_text(thread_messages.append_text("", whole[:split]), whole[split:])
        assert text == expected


@pytest.mark.lesson("L45")
def test_text_that_replaces_a_cut_row_starts_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_messages, "MAX_ROW_BYTES", 10)
    final = message_sent("short", streaming=False)
    given(delta("x" * 30), final, delta("er")).expect_rows(ProjectionThreadMessage, {"text": "shorter"})
