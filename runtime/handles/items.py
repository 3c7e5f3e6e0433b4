"""What a turn shows, piece by piece: the items that iterating a `TurnHandle` gives."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ...contracts.ids import ApprovalRequestId, MessageId
from ...contracts.provider_events import ApprovalOption
from ...contracts.questions import Question
from ...contracts.values import ApprovalDecision, FailureReason, JsonObject

ToolStatus: TypeAlias = Literal["started", "updated", "completed", "failed"]
TurnEnding: TypeAlias = Literal["completed", "interrupted", "error"]


@attrs.frozen(kw_only=True)
class Text:
    """Text that continues a message of the agent. `is_last` marks the end of the message; `text` is then often ""."""

    message_id: MessageId
    text: str
    is_last: bool = False


@attrs.frozen(kw_only=True)
class Thought:
    """A piece of the agent's reasoning, as far as the agent shows it."""

    text: str


@attrs.frozen(kw_only=True)
class ToolCall:
    """A step of a tool call: what is known of the call by then. `item_id` is the same for all steps of a call."""

    item_id: str
    title: str
    status: ToolStatus
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Plan:
    """The agent's plan, whole: it replaces the one before."""

    summary: str
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Approval:
    """The agent waits for a decision on this request.

    `kind` is `command`, `fileChange` or `permission`. `options` are the agent's own answers, in its order; empty where
    its protocol knows decisions only. `editable`: an acceptance may bring a changed input of the tool.
    """

    request_id: ApprovalRequestId
    kind: str
    summary: str
    options: tuple[ApprovalOption, ...] = ()
    editable: bool = False
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class QuestionForm:
    """The agent waits for answers to these questions. Without questions, accepting is a confirmation."""

    request_id: ApprovalRequestId
    summary: str
    questions: tuple[Question, ...] = ()


@attrs.frozen(kw_only=True)
class Usage:
    """What the turn used so far, whole: it replaces the one before. None where the agent does not report it."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    context_window: int | None = None
    context_used: int | None = None
    cost_usd: float | None = None
    model: str | None = None


@attrs.frozen(kw_only=True)
class Resolved:
    """A request is not open any more: it was answered, by any client, or the runtime closed it."""

    request_id: ApprovalRequestId
    decision: ApprovalDecision


@attrs.frozen(kw_only=True)
class Notice:
    """Anything else that the thread's history shows while the turn runs. `kind` is the activity's."""

    kind: str
    text: str
    is_error: bool = False
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Ended:
    """The turn is over; the last item. `error` and `reason` give the cause where the outcome is `error`.

    A turn that was cancelled before it began, or that could not begin, ends as well: `interrupted` or `error`.
    """

    outcome: TurnEnding
    error: str | None = None
    reason: FailureReason | None = None


TurnItem: TypeAlias = Text | Thought | ToolCall | Plan | Approval | QuestionForm | Resolved | Usage | Notice | Ended
