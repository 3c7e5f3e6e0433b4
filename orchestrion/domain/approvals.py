"""How an activity names the request it is about: one rule for deciders, projections and recovery.

A request is an approval or a form of questions. Both are pending approvals, and one kind of activity resolves them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast, get_args

import attrs

from ..contracts.codec import read_leniently
from ..contracts.events import EventMetadata
from ..contracts.ids import ApprovalOptionId, ApprovalRequestId, identifier_fault
from ..contracts.provider_events import ApprovalOption, RequestKind
from ..contracts.questions import Question
from ..contracts.values import Activity, ApprovalDecision, ApprovalOptionKind

T = TypeVar("T")

APPROVAL_REQUESTED: Final = "approval.requested"
QUESTION_REQUESTED: Final = "question.requested"
REQUESTED: Final = (APPROVAL_REQUESTED, QUESTION_REQUESTED)
"""The kinds of activities that open a request."""
RESOLVED: Final = "approval.resolved"
QUESTION: Final[RequestKind] = "question"


@attrs.frozen(kw_only=True)
class ApprovalDetails:
    """What a request is about. `editable`: an acceptance may bring a changed input of the tool."""

    kind: str | None
    summary: str | None
    options: tuple[ApprovalOption, ...]
    questions: tuple[Question, ...] = ()
    editable: bool = False

    @property
    def asks_questions(self) -> bool:
        return self.kind == QUESTION or bool(self.questions)


def request_id_of(activity: Activity, metadata: EventMetadata) -> ApprovalRequestId | None:
    """The request that an approval activity is about: its payload's, else its metadata's."""
    stated = activity.payload.get("requestId")
    if isinstance(stated, str) and identifier_fault(stated) is None:
        return ApprovalRequestId(stated)
    return metadata.request_id


def details_of(activity: Activity) -> ApprovalDetails:
    """What a request is about. What an activity of another version leaves out, or has in another form, is absent."""
    kind = activity.payload.get("requestKind")
    return ApprovalDetails(
        kind=kind if isinstance(kind, str) else None,
        summary=activity.summary or None,
        options=_each(activity.payload.get("options"), _option),
        questions=_each(activity.payload.get("questions"), _question),
        editable=activity.payload.get("editable") is True,
    )


def _each(items: object, read: Callable[[object], T | None]) -> tuple[T, ...]:
    found = map(read, items) if isinstance(items, list | tuple) else ()
    return tuple(item for item in found if item is not None)


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


def _question(asked: object) -> Question | None:
    try:
        return read_leniently(asked, Question)
    except ValueError:
        return None


def contradiction(option: ApprovalOption, decision: ApprovalDecision) -> str | None:
    """Why an option cannot be the answer of this decision; None where it can."""
    allows = option.kind in ("allow_once", "allow_always")
    rejects = option.kind in ("reject_once", "reject_always")
    if (allows and not accepts(decision)) or (rejects and accepts(decision)):
        return f"option {option.id!r} is {option.kind}, the decision is {decision}"
    return None


def accepts(decision: ApprovalDecision) -> bool:
    return decision in ("accept", "acceptForSession")


def decision_of(activity: Activity) -> ApprovalDecision:
    """The decision that an `approval.resolved` activity reports; `cancel` where it names none."""
    stated = activity.payload.get("decision")
    return cast("ApprovalDecision", stated) if stated in get_args(ApprovalDecision) else "cancel"
