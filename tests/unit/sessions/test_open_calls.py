"""Open tool calls and permission requests: their number, and which updates belong to no open call."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.actors.sessions.open_calls import (
    MAX_OPEN_APPROVALS,
    MAX_OPEN_TOOLS,
    OpenCalls,
)
from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    QuestionRequested,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
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
        assert calls.take(started(f"t-{number}")) == (started(f"t-{number}"),)
    lost, last = calls.take(started("one more"))
    assert lost == ToolCompleted(item=ProviderItemId("t-0"), title="Run", failed=True, detail={"status": "lost"})
    assert last == started("one more")
    assert calls.take(started("one more")) == (started("one more"),)


@pytest.mark.lesson("L41")
def test_the_oldest_of_too_many_requests_is_cancelled_as_lost() -> None:
    calls = OpenCalls()
    for number in range(MAX_OPEN_APPROVALS):
        assert calls.take(asked(number)) == (asked(number),)
    oldest = ApprovalRequestId("r-0")
    assert calls.take(asked(99)) == (ApprovalResolved(request=oldest, decision="cancel", lost=True), asked(99))
    assert calls.take_lost() == (oldest,)
    assert calls.take_lost() == ()
    assert len(calls.approvals) == MAX_OPEN_APPROVALS
    assert calls.take(ApprovalResolved(request=oldest, decision="decline")) == ()


def test_a_form_of_questions_is_an_open_request() -> None:
    calls, form = OpenCalls(), QuestionRequested(request=ApprovalRequestId("f"), summary="Which?", questions=())
    calls.take(form)
    assert (bool(calls), calls.request(form.request), calls.approvals) == (True, form, (form.request,))
    calls.take(ApprovalResolved(request=form.request, decision="accept"))
    assert (bool(calls), calls.approvals) == (False, ())


@pytest.mark.lesson("L44")
def test_an_update_of_a_call_that_is_not_open_is_dropped() -> None:
    calls = OpenCalls()
    assert calls.take(updated("early")) == ()
    calls.take(started())
    assert calls.take(updated("in time")) == (updated("in time"),)
    calls.take(completed())
    assert calls.take(updated("late")) == ()


@pytest.mark.lesson("L79")
def test_a_request_that_was_answered_waits_for_its_user_no_longer() -> None:
    calls = OpenCalls()
    calls.take(asked(1))
    calls.take(asked(2))
    calls.answered(ApprovalRequestId("r-1"))
    assert calls
    calls.answered(ApprovalRequestId("r-2"))
    assert not calls
    calls.take(asked(2))
    assert calls
    resolved = ApprovalResolved(request=ApprovalRequestId("r-2"), decision="accept")
    assert calls.take(resolved) == (resolved,)
    assert not calls


@pytest.mark.lesson("L79")
def test_a_request_that_was_closed_is_not_resolved_a_second_time() -> None:
    calls = OpenCalls()
    calls.take(asked(1))
    lost = ApprovalResolved(request=ApprovalRequestId("r-1"), decision="cancel", lost=True)
    assert calls.take(lost) == (lost,)
    assert calls.take(lost) == ()
    assert calls.take(ApprovalResolved(request=ApprovalRequestId("r-1"), decision="accept")) == ()
    assert calls.approvals == ()


@pytest.mark.lesson("L79")
def test_an_open_request_is_kept_without_a_long_detail() -> None:
    calls = OpenCalls()
    long = attrs.evolve(asked(1), detail={"text": "x" * 20_000})
    assert calls.take(long) == (long,)
    assert calls.request(ApprovalRequestId("r-1")) == asked(1)
