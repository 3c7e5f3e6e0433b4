"""What an agent reports beside its messages, as activities of its thread: tools, plans, thoughts, requests, notices."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from ..contracts.codec import to_json
from ..contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    PlanUpdated,
    QuestionRequested,
    ReasoningCompleted,
    SessionInfoUpdated,
    SessionNotice,
    SubagentCompleted,
    SubagentMessage,
    SubagentStarted,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    UsageUpdated,
)
from ..contracts.values import Instant, JsonObject
from .approvals import APPROVAL_REQUESTED, QUESTION, QUESTION_REQUESTED, RESOLVED
from .session_commands import IngestedCommand, IngestState, activity, asked_id
from .session_info import session_info_activity
from .usage import usage_activity

ActivityEvent: TypeAlias = (
    ToolStarted
    | ToolUpdated
    | ToolCompleted
    | SubagentStarted
    | SubagentMessage
    | SubagentCompleted
    | PlanUpdated
    | ReasoningCompleted
    | ApprovalRequested
    | QuestionRequested
    | ApprovalResolved
    | SessionNotice
    | SessionInfoUpdated
    | UsageUpdated
)


def activity_of(state: IngestState, event: ActivityEvent, now: Instant) -> IngestedCommand:
    """The command that appends the activity of an event. The event's detail never replaces the ids of the runtime."""
    match event:
        case ToolStarted():
            return activity(
                state,
                now,
                tone="tool",
                kind="tool.started",
                summary=event.title,
                payload={**event.detail, "itemId": event.item},
                item=event.item,
            )
        case ToolUpdated():
            return activity(
                state,
                now,
                tone="tool",
                kind="tool.updated",
                summary=event.title,
                payload={**event.detail, "itemId": event.item},
                item=event.item,
                replaces=f"updated/{event.item}",
            )
        case ToolCompleted():
            return activity(
                state,
                now,
                tone="tool",
                kind="tool.completed",
                summary=event.title,
                payload={**event.detail, "itemId": event.item, "failed": event.failed},
                item=event.item,
            )
        case SubagentStarted() | SubagentMessage() | SubagentCompleted():
            return _subagent_activity(state, event, now)
        case PlanUpdated():
            return activity(
                state, now, tone="info", kind="plan.updated", summary=event.summary, payload=dict(event.detail)
            )
        case ReasoningCompleted():
            return activity(
                state, now, tone="info", kind="reasoning.completed", summary=event.text, payload={"text": event.text}
            )
        case SessionNotice():
            return activity(
                state,
                now,
                tone="info",
                kind=event.kind,
                summary=event.summary,
                payload=dict(event.detail),
                outside_turn=True,
            )
        case ApprovalRequested():
            request = asked_id(state, event.request)
            offered = [{"id": one.id, "name": one.name, "kind": one.kind} for one in event.options]
            return activity(
                state,
                now,
                tone="approval",
                kind=APPROVAL_REQUESTED,
                summary=event.summary,
                payload={
                    **event.detail,
                    "requestId": request,
                    "requestKind": event.kind,
                    **({"options": offered} if offered else {}),
                    **({"editable": True} if event.editable else {}),
                },
                item=event.item,
                request=request,
            )
        case QuestionRequested():
            request = asked_id(state, event.request)
            return activity(
                state,
                now,
                tone="approval",
                kind=QUESTION_REQUESTED,
                summary=event.summary,
                payload={
                    **event.detail,
                    "requestId": request,
                    "requestKind": QUESTION,
                    "questions": to_json(event.questions),
                },
                item=event.item,
                request=request,
            )
        case ApprovalResolved():
            request = asked_id(state, event.request)
            return activity(
                state,
                now,
                tone="approval",
                kind=RESOLVED,
                summary=event.decision,
                payload={"requestId": request, "decision": event.decision, **({"lost": True} if event.lost else {})},
                request=request,
            )
        case SessionInfoUpdated():
            return session_info_activity(state, event, now)
        case UsageUpdated():
            return usage_activity(state, event, now)
        case _:
            assert_never(event)


def _subagent_activity(
    state: IngestState, event: SubagentStarted | SubagentMessage | SubagentCompleted, now: Instant
) -> IngestedCommand:
    """A sub-agent's start, text or end: `parentItemId` is the tool call in whose course it works."""
    payload: JsonObject = {"parentItemId": event.item}
    match event:
        case SubagentStarted():
            kind, summary = "subagent.started", event.title
        case SubagentMessage():
            kind, summary = "subagent.message", event.text
            payload["text"] = event.text
        case SubagentCompleted():
            kind, summary = "subagent.completed", "failed" if event.failed else "completed"
            payload["failed"] = event.failed
    return activity(
        state,
        now,
        tone="tool",
        kind=kind,
        summary=summary,
        payload=payload,
        item=event.item,
    )
