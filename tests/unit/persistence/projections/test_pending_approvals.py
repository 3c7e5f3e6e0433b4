from __future__ import annotations

import pytest

from orchestrion.contracts.events import EventMetadata, EventPayload
from orchestrion.contracts.ids import ApprovalRequestId
from orchestrion.contracts.values import ApprovalDecision, Label
from orchestrion.persistence.models import ProjectionPendingApproval
from tests.support.payloads import (
    OTHER_THREAD,
    THREAD,
    activity,
    approval_requested,
    approval_resolved,
    approval_response,
    at,
    reverted,
    session_set,
    thread_deleted,
)
from tests.support.projection_scenarios import Occurrence, given, occurred

PENDING = {"status": "pending", "decision": None, "resolved_at": None}


@pytest.mark.spec("P26")
def test_a_request_opens_a_pending_row() -> None:
    given(approval_requested("r", turn="turn-2", time=7)).expect_rows(
        ProjectionPendingApproval,
        {"request_id": "r", "thread_id": THREAD, "turn_id": "turn-2", "created_at": at(7), **PENDING},
    )


@pytest.mark.spec("E120", "P26")
def test_a_form_of_questions_opens_a_pending_row() -> None:
    form = approval_requested("r", kind=Label("question.requested"), turn="turn-2", time=7)
    given(form).expect_rows(
        ProjectionPendingApproval,
        {"request_id": "r", "thread_id": THREAD, "turn_id": "turn-2", "created_at": at(7), **PENDING},
    )


@pytest.mark.spec("P26")
@pytest.mark.parametrize("stated", [{}, {"requestId": None}, {"requestId": ""}, {"requestId": 7}])
def test_metadata_names_the_request_where_the_payload_does_not(stated: dict[str, object]) -> None:
    known = EventMetadata(request_id=ApprovalRequestId("r"))
    given(Occurrence(approval_requested(payload=stated), metadata=known)).expect_rows(
        ProjectionPendingApproval, {"request_id": "r", **PENDING}
    )


@pytest.mark.spec("P26")
def test_the_payload_goes_before_the_metadata() -> None:
    known = EventMetadata(request_id=ApprovalRequestId("other"))
    given(Occurrence(approval_requested("r"), metadata=known)).expect_rows(
        ProjectionPendingApproval, {"request_id": "r"}
    )


@pytest.mark.spec("P26")
@pytest.mark.parametrize(
    "payload",
    [approval_requested(None), approval_resolved("r"), activity(payload={"requestId": "r"})],
    ids=["no request id", "resolution", "another kind"],
)
def test_nothing_else_opens_a_row(payload: EventPayload) -> None:
    given(payload).expect_no_rows(ProjectionPendingApproval)


@pytest.mark.spec("P27")
@pytest.mark.parametrize("decision", ["accept", "acceptForSession", "decline", "cancel"])
def test_a_resolution_resolves_with_its_decision(decision: str) -> None:
    given(approval_requested("r"), approval_resolved("r", decision)).expect_rows(
        ProjectionPendingApproval, {"status": "resolved", "decision": decision, "resolved_at": occurred(2)}
    )


@pytest.mark.spec("P27")
@pytest.mark.parametrize("decision", [None, "perhaps"])
def test_a_resolution_without_a_known_decision_cancels(decision: str | None) -> None:
    given(approval_requested("r"), approval_resolved("r", decision)).expect_rows(
        ProjectionPendingApproval, {"status": "resolved", "decision": "cancel"}
    )


@pytest.mark.spec("P27")
@pytest.mark.parametrize("decision", ["accept", "acceptForSession", "decline", "cancel"])
def test_a_response_resolves_at_once(decision: ApprovalDecision) -> None:
    given(approval_requested("r"), approval_response("r", decision, time=9)).expect_rows(
        ProjectionPendingApproval, {"status": "resolved", "decision": decision, "resolved_at": occurred(2)}
    )


@pytest.mark.spec("P28")
def test_a_resolved_row_never_reopens_nor_changes() -> None:
    given(
        approval_requested("r", time=1),
        approval_response("r", "decline"),
        approval_requested("r", time=3),
        approval_resolved("r", "accept"),
        approval_response("r", "accept"),
        session_set("stopped"),
    ).expect_rows(
        ProjectionPendingApproval,
        {"status": "resolved", "decision": "decline", "created_at": at(1), "resolved_at": occurred(2)},
    )


@pytest.mark.spec("P26")
def test_a_request_that_is_repeated_keeps_its_first_row() -> None:
    given(approval_requested("r", time=1, turn="turn-1"), approval_requested("r", time=2, turn="turn-2")).expect_rows(
        ProjectionPendingApproval, {"created_at": at(1), "turn_id": "turn-1", **PENDING}
    )


@pytest.mark.spec("P29")
@pytest.mark.parametrize(
    "end",
    [
        *(session_set(status) for status in ("idle", "running", "ready", "interrupted", "stopped", "error")),
        thread_deleted(),
    ],
    ids=["idle", "running", "ready", "interrupted", "stopped", "error", "deleted"],
)
def test_request_that_cannot_be_answered_any_more_is_cancelled(end: EventPayload) -> None:
    given(approval_requested("r"), approval_requested("q"), end, approval_requested("later")).expect_rows(
        ProjectionPendingApproval,
        {"request_id": "r", "status": "resolved", "decision": "cancel", "resolved_at": occurred(3)},
        {"request_id": "q", "status": "resolved", "decision": "cancel", "resolved_at": occurred(3)},
        {"request_id": "later", **PENDING},
    )


@pytest.mark.spec("P29")
@pytest.mark.parametrize("going_on", [session_set("starting"), session_set("error", turn="turn-1")])
def test_a_session_that_starts_or_has_a_turn_leaves_what_is_pending(going_on: EventPayload) -> None:
    given(approval_requested("r"), going_on).expect_rows(ProjectionPendingApproval, PENDING)


@pytest.mark.spec("P29")
def test_a_revert_cancels_the_requests_of_its_turns() -> None:
    given(
        approval_requested("kept", turn="turn-1"),
        approval_requested("gone", turn="turn-2"),
        approval_requested("turn-less", turn=None),
        reverted(1, turns=("turn-2",)),
        reverted(0),
    ).expect_rows(
        ProjectionPendingApproval,
        {"request_id": "kept", **PENDING},
        {"request_id": "gone", "status": "resolved", "decision": "cancel", "resolved_at": occurred(4)},
        {"request_id": "turn-less", **PENDING},
    )


@pytest.mark.spec("P30")
@pytest.mark.parametrize(
    "foreign",
    [
        approval_requested("r", thread=OTHER_THREAD, turn="turn-2"),
        approval_resolved("r", "accept", thread=OTHER_THREAD),
        approval_response("r", "accept", thread=OTHER_THREAD),
        session_set("stopped", thread=OTHER_THREAD),
        thread_deleted(OTHER_THREAD),
        reverted(0, turns=("turn-1",), thread=OTHER_THREAD),
    ],
    ids=lambda payload: payload.event_type,
)
def test_a_request_of_another_thread_is_not_touched(foreign: EventPayload) -> None:
    given(approval_requested("r", turn="turn-1"), foreign).expect_rows(
        ProjectionPendingApproval, {"request_id": "r", "thread_id": THREAD, "turn_id": "turn-1", **PENDING}
    )
