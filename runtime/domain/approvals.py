"""How an activity names the approval it is about: one rule for deciders, projections and recovery."""

from __future__ import annotations

from typing import Final, cast, get_args

from ..contracts.events import EventMetadata
from ..contracts.ids import ApprovalRequestId, identifier_fault
from ..contracts.values import Activity, ApprovalDecision

REQUESTED: Final = "approval.requested"
RESOLVED: Final = "approval.resolved"


def request_id_of(activity: Activity, metadata: EventMetadata) -> ApprovalRequestId | None:
    """The request that an approval activity is about: its payload's, else its metadata's."""
    stated = activity.payload.get("requestId")
    if isinstance(stated, str) and identifier_fault(stated) is None:
        return ApprovalRequestId(stated)
    return metadata.request_id


def decision_of(activity: Activity) -> ApprovalDecision:
    """The decision that an `approval.resolved` activity reports; `cancel` where it names none."""
    stated = activity.payload.get("decision")
    return cast("ApprovalDecision", stated) if stated in get_args(ApprovalDecision) else "cancel"
