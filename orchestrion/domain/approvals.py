"""How an activity names the approval it is about: one rule for deciders, projections and recovery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast, get_args

import attrs

from ..contracts.events import EventMetadata
from ..contracts.ids import ApprovalOptionId, ApprovalRequestId, identifier_fault
from ..contracts.provider_events import ApprovalOption
from ..contracts.values import Activity, ApprovalDecision, ApprovalOptionKind


@attrs.frozen(kw_only=True)
class ApprovalDetails:
    kind: str | None
    summary: str | None
    options: tuple[ApprovalOption, ...]


REQUESTED: Final = "approval.requested"
RESOLVED: Final = "approval.resolved"


def request_id_of(activity: Activity, metadata: EventMetadata) -> ApprovalRequestId | None:
    """The request that an approval activity is about: its payload's, else its metadata's."""
    stated = activity.payload.get("requestId")
    if isinstance(stated, str) and identifier_fault(stated) is None:
        return ApprovalRequestId(stated)
    return metadata.request_id


def details_of(activity: Activity) -> ApprovalDetails:
    """What a request is about. What an activity of another version leaves out, or has in another form, is absent."""
    kind = activity.payload.get("requestKind")
    offered = activity.payload.get("options")
    options = tuple(filter(None, map(_option, offered))) if isinstance(offered, list | tuple) else ()
    return ApprovalDetails(
        kind=kind if isinstance(kind, str) else None, summary=activity.summary or None, options=options
    )


def _option(offered: object) -> ApprovalOption | None:
    if not isinstance(offered, Mapping):
        return None
    option, name, kind = offered.get("id"), offered.get("name"), offered.get("kind")
    if not isinstance(option, str) or identifier_fault(option) is not None:
        return None
    return ApprovalOption(
        id=ApprovalOptionId(option),
        name=name if isinstance(name, str) else option,
        kind=cast("ApprovalOptionKind", kind) if kind in get_args(ApprovalOptionKind) else "other",
    )


def contradiction(option: ApprovalOption, decision: ApprovalDecision) -> str | None:
    """Why an option cannot be the answer of this decision; None where it can."""
    allows = option.kind in ("allow_once", "allow_always")
    rejects = option.kind in ("reject_once", "reject_always")
    accepted = decision in ("accept", "acceptForSession")
    if (allows and not accepted) or (rejects and accepted):
        return f"option {option.id!r} is {option.kind}, the decision is {decision}"
    return None


def decision_of(activity: Activity) -> ApprovalDecision:
    """The decision that an `approval.resolved` activity reports; `cancel` where it names none."""
    stated = activity.payload.get("decision")
    return cast("ApprovalDecision", stated) if stated in get_args(ApprovalDecision) else "cancel"
