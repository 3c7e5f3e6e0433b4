"""Joining streamed text: how long it is held, what ends the wait, and that nothing of it is lost."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.contracts.ids import ProviderItemId
from orchestrion.contracts.provider_events import (
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    ToolStarted,
    TurnCompleted,
)
from orchestrion.domain.coalesce import HOLD_SHARE_OF_AGE, MOST_HELD_BYTES, BufferedText, hold, release

NOTHING = BufferedText()


def delta(text: str, item: str = "message-1") -> MessageDelta:
    return MessageDelta(item=ProviderItemId(item), text=text)


def test_text_is_held_and_joined() -> None:
    held, passed = hold(NOTHING, delta("hello "), 10.0)
    assert passed == ()
    held, passed = hold(held, delta("there"), 10.01)
    assert passed == ()
    assert release(held)[1] == (delta("hello there"),)


@pytest.mark.parametrize("age", [0.0, 0.1, 1.0, 2.0, 3.0, 10.0, 3600.0])
def test_text_waits_a_share_of_its_messages_age_between_50_ms_and_a_second(age: float) -> None:
    held, _ = hold(NOTHING, delta("first"), 100.0)
    held, _ = release(held)
    held, _ = hold(held, delta("later"), 100.0 + age)
    assert held.due_at is not None
    waited, age_when_due = held.due_at - (100.0 + age), held.due_at - 100.0
    assert waited == pytest.approx(min(1.0, max(0.05, age_when_due * HOLD_SHARE_OF_AGE)))


def test_the_wait_counts_from_the_oldest_text_that_is_held() -> None:
    held, _ = hold(NOTHING, delta("a"), 10.0)
    due = held.due_at
    held, _ = hold(held, delta("b"), 10.04)
    assert held.due_at == due == pytest.approx(10.05)


def test_nothing_held_is_never_due() -> None:
    assert NOTHING.due_at is None
    held, _ = hold(NOTHING, delta("a"), 10.0)
    assert release(held)[0].due_at is None
    assert release(NOTHING) == (NOTHING, ())


@pytest.mark.parametrize("character", ["x", "é"])
def test_four_kibibytes_are_passed_on_at_once(character: str) -> None:
    enough = character * (MOST_HELD_BYTES // len(character.encode()))
    held, passed = hold(NOTHING, delta(enough[:-1]), 10.0)
    assert passed == ()
    held, passed = hold(held, delta(character), 10.0)
    assert passed == (delta(enough),)
    assert held.due_at is None


@pytest.mark.parametrize(
    "boundary",
    [
        MessageCompleted(item=ProviderItemId("message-1")),
        ToolStarted(item=ProviderItemId("tool-1"), title="Run"),
        TurnCompleted(outcome="completed"),
        SessionExited(asked=False),
    ],
    ids=["item", "tool", "turn", "death"],
)
def test_every_boundary_passes_on_what_is_held_before_itself(boundary: ProviderRuntimeEvent) -> None:
    held, _ = hold(NOTHING, delta("text"), 10.0)
    held, passed = hold(held, boundary, 10.01)
    assert passed == (delta("text"), boundary)
    assert hold(held, boundary, 10.02)[1] == (boundary,)


def test_text_of_another_message_is_a_boundary() -> None:
    held, _ = hold(NOTHING, delta("one"), 10.0)
    held, passed = hold(held, delta("two", "message-2"), 30.0)
    assert passed == (delta("one"),)
    assert held == BufferedText(item=ProviderItemId("message-2"), text="two", size=3, began_at=30.0, oldest_at=30.0)


@pytest.mark.lesson("L6")
@pytest.mark.parametrize(
    ("tokens", "seconds", "most"),
    [(400, 8.0, 40), (10_000, 200.0, 240), (10_000, 10.0, 45)],
    ids=["a short answer", "a long answer", "a fast answer"],
)
def test_l06_tokens_become_events_by_the_second_and_not_one_by_one(tokens: int, seconds: float, most: int) -> None:
    held, events = NOTHING, 0
    for number in range(tokens):
        now = number * seconds / tokens
        if held.due_at is not None and held.due_at <= now:
            held, passed = release(held)
            events += len(passed)
        held, passed = hold(held, delta("word"), now)
        events += len(passed)
    assert events + len(release(held)[1]) <= most


EVENTS = st.lists(
    st.one_of(
        st.builds(delta, st.text(max_size=3000), st.sampled_from(["message-1", "message-2"])),
        st.just(TurnCompleted(outcome="completed")),
        st.just("due"),
    ),
    max_size=30,
)


@given(EVENTS)
def test_all_text_is_passed_on_in_its_order(events: list[ProviderRuntimeEvent | str]) -> None:
    held, passed_on = NOTHING, list[ProviderRuntimeEvent]()
    for now, event in enumerate(events):
        held, passed = release(held) if isinstance(event, str) else hold(held, event, float(now))
        passed_on += passed
        assert len(held.text.encode()) < MOST_HELD_BYTES
    passed_on += release(held)[1]
    assert _joined(passed_on) == _joined([event for event in events if not isinstance(event, str)])


def _joined(events: list[ProviderRuntimeEvent]) -> list[ProviderRuntimeEvent]:
    joined: list[ProviderRuntimeEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, MessageDelta) and isinstance(last, MessageDelta) and last.item == event.item:
            joined[-1] = attrs.evolve(last, text=last.text + event.text)
        elif not isinstance(event, MessageDelta) or event.text:
            joined.append(event)
    return joined


@pytest.mark.lesson("L42")
def test_the_halves_of_a_surrogate_pair_are_passed_on_together() -> None:
    held, passed = hold(NOTHING, delta("smile \ud83d"), 10.0)
    held, released = release(held)
    assert (passed, released) == ((), (delta("smile "),))
    assert held.due_at is None
    held, _ = hold(held, delta("\ude00 end"), 11.0)
    assert release(held)[1] == (delta("\ud83d\ude00 end"),)


@pytest.mark.lesson("L42")
def test_a_boundary_passes_on_half_a_surrogate_pair() -> None:
    held, _ = hold(NOTHING, delta("a\ud83d"), 10.0)
    completed = MessageCompleted(item=ProviderItemId("message-1"))
    assert hold(held, completed, 10.0)[1] == (delta("a\ud83d"), completed)


@pytest.mark.lesson("L43")
def test_a_long_message_comes_in_longer_pieces() -> None:
    held, pieces = NOTHING, 0
    for _ in range(4 * 1024):
        held, passed = hold(held, delta("x" * 1024), 10.0)
        pieces += len(passed)
    assert pieces < 100
