"""Joining streamed text: how long it is held, what ends the wait, and that nothing is lost.

One long module: the examples and the random histories check the same function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
)
from orchestrion.contracts.text_repair import repaired
from orchestrion.domain.coalesce import (
    HOLD_SHARE_OF_AGE,
    MAX_HELD_BYTES,
    MOST_HELD_BYTES,
    UPDATE_SECONDS,
    BufferedEvents,
    hold,
    release,
    release_due,
)

NOTHING = BufferedEvents()


def delta(text: str, item: str = "message-1") -> MessageDelta:
    return MessageDelta(item=ProviderItemId(item), text=text)


def updated(number: int, item: str = "tool-1") -> ToolUpdated:
    return ToolUpdated(item=ProviderItemId(item), title="Run", detail={"number": number})


def test_text_is_held_and_joined() -> None:
    held, passed = hold(NOTHING, delta("hello "), 10.0)
    assert passed == ()
    held, passed = hold(held, delta("there"), 10.01)
    assert passed == ()
    assert release(held, 20.0)[1] == (delta("hello there"),)


@pytest.mark.parametrize("age", [0.0, 0.1, 1.0, 2.0, 3.0, 10.0, 3600.0])
def test_text_waits_a_share_of_its_messages_age_between_50_ms_and_a_second(age: float) -> None:
    held, _ = hold(NOTHING, delta("first"), 100.0)
    held, _ = release(held, 20.0)
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
    assert release(held, 20.0)[0].due_at is None
    assert release(NOTHING, 20.0) == (NOTHING, ())


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
def test_every_boundary_passes_on_held_events_first(boundary: ProviderRuntimeEvent) -> None:
    held, _ = hold(NOTHING, delta("text"), 10.0)
    held, passed = hold(held, boundary, 10.01)
    assert passed == (delta("text"), boundary)
    assert hold(held, boundary, 10.02)[1] == (boundary,)


def test_text_of_another_message_is_a_boundary() -> None:
    held, _ = hold(NOTHING, delta("one"), 10.0)
    held, passed = hold(held, delta("two", "message-2"), 30.0)
    assert passed == (delta("one"),)
    assert held.due_at == pytest.approx(30.05)
    assert release(held, 31.0)[1] == (delta("two", "message-2"),)


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
            held, passed = release_due(held, now)
            events += len(passed)
        held, passed = hold(held, delta("word"), now)
        events += len(passed)
    assert events + len(release(held, 20.0)[1]) <= most


@attrs.frozen
class Wait:
    """Time passes, and due events are passed on."""

    seconds: float


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["message-1", "message-2"]), st.integers(1, 5000)),
        st.sampled_from(["tool-1", "tool-2", "tool-3"]),
        st.sampled_from([ToolCompleted, ToolStarted, PlanUpdated, MessageCompleted, TurnCompleted]),
        st.builds(Wait, st.sampled_from([0.01, 0.06, 0.3, 0.9, 1.1])),
    ),
    max_size=40,
)


def event_of(number: int, step: object) -> ProviderRuntimeEvent:
    """The event of a step, with its number, so that no two are equal."""
    match step:
        case (str(item), int(size)):
            return delta(f"<{number}>".ljust(size, "x"), item)
        case str(tool):
            return updated(number, tool)
        case _ if step is ToolCompleted:
            return ToolCompleted(item=ProviderItemId("tool-1"), title="Run", detail={"number": number})
        case _ if step is ToolStarted:
            return ToolStarted(item=ProviderItemId("tool-2"), title="Run", detail={"number": number})
        case _ if step is PlanUpdated:
            return PlanUpdated(summary=str(number), detail={})
        case _ if step is MessageCompleted:
            return MessageCompleted(item=ProviderItemId(f"message-of-{number}"))
        case _:
            return TurnCompleted(outcome="failed", error=str(number))


def consumed(came: Sequence[ProviderRuntimeEvent], place: int, passed: ProviderRuntimeEvent) -> int:
    """How far a passed event reaches in the input; what it leaves out must be replaced by something newer."""
    while came[place] != passed and is_replaced(came, place):
        place += 1
    if not isinstance(passed, MessageDelta):
        assert came[place] == passed
        return place + 1
    text = ""
    while text != passed.text:
        part = came[place]
        if not is_replaced(came, place):
            assert isinstance(part, MessageDelta)
            assert part.item == passed.item
            text += part.text
            assert passed.text.startswith(text)
        place += 1
    return place


def is_replaced(came: Sequence[ProviderRuntimeEvent], place: int) -> bool:
    event = came[place]
    return isinstance(event, ToolUpdated) and any(
        isinstance(other, ToolUpdated) and other.item == event.item for other in came[place + 1 :]
    )


@pytest.mark.lesson("L120")
@given(STEPS)
def test_l120_passed_events_are_all_input_up_to_some_event(steps: list[object]) -> None:
    held, came, place, now = NOTHING, list[ProviderRuntimeEvent](), 0, 10.0
    passed_on = list[ProviderRuntimeEvent]()
    for number, step in enumerate(steps):
        if isinstance(step, Wait):
            now += step.seconds
            held, passed = release_due(held, now)
            assert held.due_at is None or held.due_at > now
        else:
            came.append(event_of(number, step))
            held, passed = hold(held, came[-1], now)
        for event in passed:
            place = consumed(came, place, event)
        passed_on += passed
        assert held.text_size < held.most_bytes
    for event in release(held, now, whole=True)[1]:
        place = consumed(came, place, event)
        passed_on.append(event)
    assert all(is_replaced(came, left) for left in range(place, len(came)))
    for item in ("message-1", "message-2"):
        assert joined(passed_on, item) == joined(came, item)


def joined(events: Iterable[ProviderRuntimeEvent], item: str) -> str:
    return "".join(event.text for event in events if isinstance(event, MessageDelta) and event.item == item)


@pytest.mark.lesson("L120")
@given(st.text(st.sampled_from("a\U0001f600é")), st.lists(st.sampled_from(["cut", "on", "tool-1", "tool-2", "due"])))
def test_l120_a_character_is_whole_wherever_its_text_is_cut(text: str, cuts: list[str]) -> None:
    units = [chr(unit) for unit in memoryview(text.encode("utf-16-le")).cast("H")]
    held, passed_on, part, now = NOTHING, list[ProviderRuntimeEvent](), "", 10.0
    for number, (cut, unit) in enumerate(zip_longest(cuts, units, fillvalue="")):
        part += unit
        now += 0.03
        if cut == "due":
            held, passed = release_due(held, now)
        elif cut in ("tool-1", "tool-2"):
            held, passed = hold(held, updated(number, cut), now)
        elif cut == "cut":
            held, passed = hold(held, delta(part), now)
            part = ""
        else:
            continue
        passed_on += passed
    passed_on += hold(held, delta(part), now)[1]
    held, _ = hold(held, delta(part), now)
    passed_on += release(held, now, whole=True)[1]
    texts = [repaired(event.text) for event in passed_on if isinstance(event, MessageDelta)]
    assert "".join(texts) == text


@pytest.mark.lesson("L120")
def test_l120_an_update_is_passed_on_before_text_that_came_after_it() -> None:
    held, _ = hold(NOTHING, updated(1), 10.0)
    for event in (delta("before "), updated(2), delta("after")):
        held, passed = hold(held, event, 10.01)
        assert passed == ()
    held, passed = release_due(held, 10.07)
    assert passed == (delta("before "), updated(2), delta("after"))
    held, passed = hold(held, updated(3), 10.9)
    assert passed == ()
    assert held.due_at == pytest.approx(11.07)


@pytest.mark.lesson("L44")
def test_of_a_calls_updates_the_newest_is_passed_on_once_per_second() -> None:
    held, passed = hold(NOTHING, updated(1), 0.0)
    assert passed == (updated(1),)
    for number in range(2, 1000):
        held, passed = hold(held, updated(number), 0.5)
        assert passed == ()
    assert held.due_at == UPDATE_SECONDS
    assert release_due(held, 0.9) == (held, ())
    held, passed = release_due(held, UPDATE_SECONDS)
    assert passed == (updated(999),)
    assert held.due_at is None
    held, passed = hold(held, updated(1000), 1.5)
    assert passed == ()
    held, passed = hold(held, updated(1001), 3.0)
    assert passed == (updated(1001),)
    assert held.due_at is None


@pytest.mark.lesson("L44")
@pytest.mark.parametrize(
    "boundary",
    [
        ToolCompleted(item=ProviderItemId("tool-1"), title="Run"),
        ApprovalRequested(request=ApprovalRequestId("r-1"), kind="command", summary="may I"),
        TurnCompleted(outcome="completed"),
        SessionExited(asked=False),
    ],
    ids=lambda event: type(event).__name__,
)
def test_held_updates_of_a_call_precede_a_boundary(boundary: ProviderRuntimeEvent) -> None:
    held = NOTHING
    for number in (1, 2):
        held, _ = hold(held, updated(number), 0.0)
    held, passed = hold(held, boundary, 0.1)
    assert passed == (updated(2), boundary)
    assert held.due_at is None


def test_the_first_update_of_another_call_with_the_same_key_does_not_wait() -> None:
    held, _ = hold(NOTHING, updated(1), 0.0)
    held, _ = hold(held, ToolCompleted(item=ProviderItemId("tool-1"), title="Run"), 0.1)
    assert hold(held, updated(2), 0.2)[1] == (updated(2),)


@pytest.mark.lesson("L41")
def test_held_updates_have_a_bound_in_bytes() -> None:
    held, passed_on = NOTHING, 0
    for number in range(512):
        large = attrs.evolve(updated(number, f"tool-{number % 256}"), detail={"text": "x" * 50_000})
        held, passed = hold(held, large, 0.0)
        passed_on += len(passed)
        assert sum(one.size for one in held.held) <= MAX_HELD_BYTES
    assert passed_on + len(held.held) == 512


@pytest.mark.lesson("L41")
def test_text_that_never_ends_a_character_has_a_bound_in_bytes() -> None:
    held, passed_on = NOTHING, 0
    for _ in range(200):
        held, passed = hold(held, delta("x" * 16 * 1024 + "\ud83d"), 10.0)
        passed_on += sum(len(event.text) for event in passed if isinstance(event, MessageDelta))
        assert held.text_size <= MAX_HELD_BYTES
    assert passed_on > MAX_HELD_BYTES


@pytest.mark.lesson("L42")
def test_the_halves_of_a_surrogate_pair_are_passed_on_together() -> None:
    held, _ = hold(NOTHING, delta("a "), 10.0)
    held, passed = hold(held, delta("smile \ud83d"), 10.0)
    held, released = release(held, 20.0)
    assert (passed, released) == ((), (delta("a "),))
    assert held.due_at is None
    held, _ = hold(held, delta("\ude00 end"), 21.0)
    assert held.due_at is not None
    assert release(held, 21.0)[1] == (delta("smile \ud83d\ude00 end"),)


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
