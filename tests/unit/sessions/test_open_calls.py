"""Open tool calls and permission requests: how many there are, and what of a call's updates is passed on."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.actors.sessions.open_calls import (
    MAX_HELD_BYTES,
    MAX_OPEN_APPROVALS,
    MAX_OPEN_TOOLS,
    UPDATE_SECONDS,
    OpenCalls,
)
from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
)


def started(name: str = "t") -> ToolStarted:
    return ToolStarted(item=ProviderItemId(name), title="Run")


def updated(text: str, name: str = "t") -> ToolUpdated:
    return ToolUpdated(item=ProviderItemId(name), title="Run", detail={"text": text})


def completed(name: str = "t") -> ToolCompleted:
    return ToolCompleted(item=ProviderItemId(name), title="Run")


def asked(number: int) -> ApprovalRequested:
    return ApprovalRequested(request=ApprovalRequestId(f"r-{number}"), kind="command", summary="may I")


@pytest.mark.lesson("L41")
def test_the_oldest_of_too_many_open_calls_is_closed_as_lost() -> None:
    calls = OpenCalls()
    for number in range(MAX_OPEN_TOOLS):
        assert calls.take(started(f"t-{number}"), 0.0) == (started(f"t-{number}"),)
    lost, last = calls.take(started("one more"), 0.0)
    assert lost == ToolCompleted(item=ProviderItemId("t-0"), title="Run", failed=True, detail={"status": "lost"})
    assert last == started("one more")
    assert calls.take(started("one more"), 0.0) == (started("one more"),)


@pytest.mark.lesson("L41")
def test_the_oldest_of_too_many_requests_is_cancelled_as_lost() -> None:
    calls = OpenCalls()
    for number in range(MAX_OPEN_APPROVALS):
        assert calls.take(asked(number), 0.0) == (asked(number),)
    oldest = ApprovalRequestId("r-0")
    assert calls.take(asked(99), 0.0) == (ApprovalResolved(request=oldest, decision="cancel", lost=True), asked(99))
    assert calls.take_lost() == (oldest,)
    assert calls.take_lost() == ()
    assert len(calls.approvals) == MAX_OPEN_APPROVALS
    assert calls.take(ApprovalResolved(request=oldest, decision="decline"), 0.0) == ()


@pytest.mark.lesson("L44")
def test_of_a_calls_updates_the_newest_is_passed_on_once_per_second() -> None:
    calls = OpenCalls()
    calls.take(started(), 0.0)
    assert calls.take(updated("1"), 0.0) == (updated("1"),)
    for number in range(2, 1000):
        assert calls.take(updated(str(number)), 0.5) == ()
    assert calls.due_at == UPDATE_SECONDS
    assert calls.release(0.9, due=True) == ()
    assert calls.release(UPDATE_SECONDS, due=True) == (updated("999"),)
    assert calls.due_at is None
    assert calls.take(updated("later"), 1.5) == ()
    assert calls.take(updated("much later"), 3.0) == (updated("much later"),)
    assert calls.due_at is None


@pytest.mark.lesson("L44")
@pytest.mark.parametrize(
    "boundary",
    [completed(), asked(1), TurnCompleted(outcome="completed"), SessionExited(asked=False)],
    ids=lambda event: type(event).__name__,
)
def test_what_is_held_of_a_call_comes_before_a_boundary(boundary: ProviderRuntimeEvent) -> None:
    calls = OpenCalls()
    for event in (started(), updated("1"), updated("2")):
        calls.take(event, 0.0)
    assert calls.take(boundary, 0.1) == (updated("2"), boundary)
    assert calls.due_at is None
    other = MessageDelta(item=ProviderItemId("m"), text="on")
    assert calls.take(other, 0.2) == (other,)


@pytest.mark.lesson("L44")
def test_an_update_of_a_call_that_is_not_open_is_dropped() -> None:
    calls = OpenCalls()
    assert calls.take(updated("early"), 0.0) == ()
    calls.take(started(), 0.0)
    calls.take(completed(), 0.0)
    assert calls.take(updated("late"), 0.0) == ()


@pytest.mark.lesson("L41")
def test_held_updates_have_a_bound_in_bytes() -> None:
    calls = OpenCalls()
    passed: list[ProviderRuntimeEvent] = []
    for number in range(MAX_OPEN_TOOLS):
        for event in (started(f"t-{number}"), updated("", f"t-{number}"), updated("x" * 50_000, f"t-{number}")):
            passed += calls.take(event, 0.0)
    held = calls.release(0.0)
    assert sum(len(update.detail["text"]) for update in held) <= MAX_HELD_BYTES
    assert len(passed) + len(held) == 3 * MAX_OPEN_TOOLS


@pytest.mark.lesson("L79")
def test_a_request_that_was_answered_waits_for_its_user_no_longer() -> None:
    calls = OpenCalls()
    calls.take(asked(1), 0.0)
    calls.take(asked(2), 0.0)
    calls.answered(ApprovalRequestId("r-1"))
    assert calls
    calls.answered(ApprovalRequestId("r-2"))
    assert not calls
    calls.take(asked(2), 0.0)
    assert calls
    resolved = ApprovalResolved(request=ApprovalRequestId("r-2"), decision="accept")
    assert calls.take(resolved, 0.0) == (resolved,)
    assert not calls


@pytest.mark.lesson("L79")
def test_a_request_that_was_closed_is_not_resolved_a_second_time() -> None:
    calls = OpenCalls()
    calls.take(asked(1), 0.0)
    lost = ApprovalResolved(request=ApprovalRequestId("r-1"), decision="cancel", lost=True)
    assert calls.take(lost, 0.0) == (lost,)
    assert calls.take(lost, 0.0) == ()
    assert calls.take(ApprovalResolved(request=ApprovalRequestId("r-1"), decision="accept"), 0.0) == ()
    assert calls.approvals == ()


@pytest.mark.lesson("L79")
def test_an_open_request_is_kept_without_a_long_detail() -> None:
    calls = OpenCalls()
    long = attrs.evolve(asked(1), detail={"text": "x" * 20_000})
    assert calls.take(long, 0.0) == (long,)
    assert calls.request(ApprovalRequestId("r-1")) == asked(1)
