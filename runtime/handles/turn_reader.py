"""Which events of a thread belong to one turn, and what they show. Pure: events in, items out."""

from __future__ import annotations

from typing import Final, get_args

import attrs

from ...contracts.codec import read_leniently
from ...contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadActivityAppended,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
    ThreadTurnStartRequested,
)
from ...contracts.ids import ApprovalRequestId, EventId, TurnId
from ...contracts.values import Activity, FailureReason, JsonObject, Unset
from ...domain.approvals import decision_of, details_of
from .items import (
    Approval,
    Ended,
    Notice,
    Plan,
    QuestionForm,
    Resolved,
    Text,
    Thought,
    ToolCall,
    ToolStatus,
    TurnEnding,
    TurnItem,
    Usage,
)

_TOOL_STEPS: Final[dict[str, ToolStatus]] = {"tool.started": "started", "tool.updated": "updated"}
_ENDINGS: Final[dict[str, TurnEnding]] = {"idle": "completed", "ready": "completed", "error": "error"}
_OWN_FIELDS: Final = frozenset({"itemId", "failed", "requestId", "requestKind", "options", "questions", "editable"})
"""Fields of payloads that items have as attributes."""


@attrs.define
class TurnReader:
    """One turn, read from the thread's events in their order, from its request on.

    `has_ended` once `Ended` was read; `turn_count` once the turn was opened; `is_captured` once the workspace of its
    end was captured, or it is known that it will not be.
    """

    turn_id: TurnId
    has_ended: bool = False
    turn_count: int | None = None
    is_captured: bool = False
    _intent: EventId | None = None
    _is_open: bool = False
    _failure: tuple[str, FailureReason | None] | None = None

    def read(self, event: LoggedEvent) -> TurnItem | None:
        """What an event of the thread shows of this turn, None where it shows nothing."""
        if not isinstance(event, PersistedEvent):
            return None
        match event.payload:
            case ThreadTurnStartRequested(turn_id=turn_id) if turn_id == self.turn_id:
                self._intent = event.event_id
            case ThreadSessionSetEvent() as changed:
                return self._read_session(changed)
            case ThreadMessageSent(role="assistant", turn_id=turn_id) as sent if turn_id == self.turn_id:
                return Text(message_id=sent.message_id, text=sent.text, is_last=not sent.streaming)
            case ThreadActivityAppended(activity=activity):
                outcome = self.turn_count is None and event.causation_event_id == self._intent is not None
                return self._read_activity(activity, is_outcome=outcome)
            case ThreadTurnDiffCompleted(turn_id=turn_id) if turn_id == self.turn_id:
                self.is_captured = True
            case ThreadDeleted():
                self.is_captured = True  # nothing is recorded of a deleted thread any more
                return self._end(Ended(outcome="interrupted", error="the thread was deleted"))
            case ThreadReverted(removed_turn_ids=removed) if self.turn_id in removed:
                self.is_captured = True
                return self._end(Ended(outcome="interrupted", error="the turn was reverted"))
            case _:
                pass
        return None

    def _read_session(self, changed: ThreadSessionSetEvent) -> TurnItem | None:
        session = changed.session
        if session.active_turn_id == self.turn_id:
            self._is_open = True
            if not isinstance(changed.turn, Unset):
                self.turn_count = changed.turn.turn_count
            return None
        if not self._is_open:
            return None
        outcome = _ENDINGS.get(session.status, "interrupted")
        if outcome != "error":
            return self._end(Ended(outcome=outcome))
        error, reason = self._failure or (session.last_error, None)
        return self._end(Ended(outcome=outcome, error=error, reason=reason))

    def _read_activity(self, activity: Activity, *, is_outcome: bool) -> TurnItem | None:
        if activity.kind == "turn.failed" and activity.payload.get("turnId") == self.turn_id:
            self._failure = (activity.summary, _reason(activity.payload))
        if is_outcome:
            self.is_captured = True  # there is nothing to capture of a turn that did not begin
            if activity.kind == "turn.cancelled":
                return self._end(Ended(outcome="interrupted", error=activity.summary))
            return self._end(Ended(outcome="error", error=activity.summary, reason=_reason(activity.payload)))
        if activity.kind == "session.notice" and not self.has_ended:
            return _notice(activity)
        if activity.turn_id != self.turn_id or activity.kind == "turn.failed":
            return None
        return _item(activity)

    def _end(self, ended: Ended) -> Ended | None:
        """Read the end once: what comes after it, such as late text, is not followed by another."""
        self._is_open = False
        if self.has_ended:
            return None
        self.has_ended = True
        return ended


def _item(activity: Activity) -> TurnItem | None:
    kind, payload = activity.kind, activity.payload
    match kind:
        case "tool.started" | "tool.updated" | "tool.completed":
            status = _TOOL_STEPS.get(kind) or ("failed" if payload.get("failed") else "completed")
            item_id = str(payload.get("itemId", ""))
            return ToolCall(item_id=item_id, title=activity.summary, status=status, detail=_detail(payload))
        case "plan.updated":
            return Plan(summary=activity.summary, detail=payload)
        case "reasoning.completed":
            return Thought(text=str(payload.get("text", activity.summary)))
        case "approval.requested":
            details = details_of(activity)
            return Approval(
                request_id=_request_id(activity),
                kind=details.kind or "permission",
                summary=activity.summary,
                options=details.options,
                editable=details.editable,
                detail=_detail(payload),
            )
        case "question.requested":
            questions = details_of(activity).questions
            return QuestionForm(request_id=_request_id(activity), summary=activity.summary, questions=questions)
        case "approval.resolved":
            return Resolved(request_id=_request_id(activity), decision=decision_of(activity))
        case "usage.updated":
            return read_leniently(payload, Usage)
        case _:
            return _notice(activity)


def _notice(activity: Activity) -> Notice:
    return Notice(kind=activity.kind, text=activity.summary, is_error=activity.tone == "error", detail=activity.payload)


def _detail(payload: JsonObject) -> JsonObject:
    return {name: value for name, value in payload.items() if name not in _OWN_FIELDS}


def _request_id(activity: Activity) -> ApprovalRequestId:
    return ApprovalRequestId(str(activity.payload["requestId"]))


def _reason(payload: JsonObject) -> FailureReason | None:
    reason = payload.get("reason")
    return reason if reason in get_args(FailureReason) else None
