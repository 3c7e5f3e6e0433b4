"""What a provider session reports, in words of no provider: an adapter's raw events become these.

Ingestion turns them into internal commands. `item` is the adapter's key of a message or tool call within its
session: stable while the item lives, never reused in that session. Instants are left to the runtime's clock.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

from .ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    CheckpointRef,
    ProviderItemId,
    ProviderThreadId,
    ProviderTurnId,
    TurnId,
)
from .questions import Question
from .values import (
    ApprovalDecision,
    ApprovalOptionKind,
    ChangedFile,
    CheckpointStatus,
    Count,
    FailureReason,
    Instant,
    JsonObject,
    TurnOrigin,
)

ApprovalKind: TypeAlias = Literal["command", "fileChange", "permission"]
RequestKind: TypeAlias = Literal["command", "fileChange", "permission", "question"]
"""What a pending request is about: an approval of one of the first three kinds, or questions."""
TurnOutcome: TypeAlias = Literal["completed", "failed", "cancelled", "interrupted"]
NoticeKind: TypeAlias = Literal["session.notice", "frames.ignored"]


@attrs.frozen(kw_only=True)
class SessionStarted:
    """The agent is up and has a conversation to take turns in."""

    provider_thread_id: ProviderThreadId | None = None


@attrs.frozen(kw_only=True)
class ThreadStarted:
    """The agent named its own thread."""

    provider_thread_id: ProviderThreadId


@attrs.frozen(kw_only=True)
class TurnStarted:
    """The agent took the turn up. The turn was opened before it was handed over: this adds its provider id.

    Origin `agent`: the agent began this turn by itself, while none was running; no user message belongs to it.
    """

    provider_turn_id: ProviderTurnId | None = None
    origin: TurnOrigin = "user"


@attrs.frozen(kw_only=True)
class MessageDelta:
    """Text that continues an assistant message."""

    item: ProviderItemId
    text: str


@attrs.frozen(kw_only=True)
class MessageCompleted:
    item: ProviderItemId


@attrs.frozen(kw_only=True)
class ToolStarted:
    item: ProviderItemId
    title: str
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ToolUpdated:
    """What is known of an open tool call by now, whole: it replaces what was reported of the call before."""

    item: ProviderItemId
    title: str
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ToolCompleted:
    item: ProviderItemId
    title: str
    failed: bool = False
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class AttachmentProduced:
    """An image that the agent made or showed, at most 10 MiB. `item` is the message or tool call that it belongs to."""

    item: ProviderItemId | None = None
    name: str = ""
    media_type: str
    content: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class SubagentStarted:
    """A sub-agent works in the course of a tool call, whose key is `item`. An adapter need not report it.

    The runtime adds it before the first message or tool call that names `item` as its parent.
    """

    item: ProviderItemId
    title: str


@attrs.frozen(kw_only=True)
class SubagentMessage:
    """The whole text of a sub-agent's message. `item` is the key of the tool call that runs the sub-agent."""

    item: ProviderItemId
    text: str


@attrs.frozen(kw_only=True)
class SubagentCompleted:
    """A sub-agent is done. The runtime adds it after the end of its tool call, and at the end of the turn."""

    item: ProviderItemId
    failed: bool = False


@attrs.frozen(kw_only=True)
class PlanUpdated:
    summary: str
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ReasoningCompleted:
    text: str


MAX_OPTIONS: Final = 64
"""Of one request: as many a client sees and names. An adapter takes none that is not among them."""


@attrs.frozen(kw_only=True)
class ApprovalOption:
    """One answer that the agent offers. `id` is what `AgentConnection.respond` takes as `option`."""

    id: ApprovalOptionId
    name: str
    kind: ApprovalOptionKind


@attrs.frozen(kw_only=True)
class ApprovalRequested:
    """The agent waits for a decision. `request` is the adapter's key, unique within its session's process.

    `options` are the agent's own, in its order; empty where its protocol knows decisions only. `editable`: the agent
    takes a changed input of the tool with an acceptance.
    """

    request: ApprovalRequestId
    kind: ApprovalKind
    summary: str
    item: ProviderItemId | None = None
    options: tuple[ApprovalOption, ...] = ()
    editable: bool = False
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class QuestionRequested:
    """The agent waits for answers of its user. `request` is a key as that of an approval request.

    The user accepts with answers, declines (the turn goes on without them) or cancels (the turn ends). Without
    questions, accepting is a confirmation.
    """

    request: ApprovalRequestId
    summary: str
    questions: tuple[Question, ...]
    item: ProviderItemId | None = None
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ApprovalResolved:
    """A request is not open any more. `lost`: the runtime closed it, because the agent has too many open ones."""

    request: ApprovalRequestId
    decision: ApprovalDecision
    lost: bool = False


@attrs.frozen(kw_only=True)
class TurnCompleted:
    """The turn is over, however it ended. `error` and `reason` give the cause where the outcome is failed.

    `retry_at` is when the same turn may be tried again, where the agent knows it.
    """

    outcome: TurnOutcome
    error: str | None = None
    reason: FailureReason | None = None
    retry_at: Instant | None = None


@attrs.frozen(kw_only=True)
class CheckpointCaptured:
    """The runtime's own event: the workspace at the end of a turn was captured in a checkpoint."""

    turn_id: TurnId
    turn_count: Count
    ref: CheckpointRef
    status: CheckpointStatus
    files: tuple[ChangedFile, ...]
    summary: str


@attrs.frozen(kw_only=True)
class RuntimeErrorReported:
    """Something failed that the user should see. Fatal: the session cannot go on."""

    message: str
    fatal: bool = False
    reason: FailureReason | None = None
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class SessionNotice:
    """Something about the session itself that a host shows beside its turns. It belongs to no turn."""

    kind: NoticeKind
    summary: str
    detail: JsonObject = attrs.field(factory=dict)


MAX_CHOICES: Final = 256
"""Of one kind in a `SessionInfoUpdated`; the others are left out."""


@attrs.frozen(kw_only=True)
class SessionChoice:
    """Something that an agent offers by an id: a mode, a model, a command, a way to log in."""

    id: str
    name: str
    description: str | None = None


@attrs.frozen(kw_only=True)
class SessionInfoUpdated:
    """What is known of the agent's session, whole: it replaces what was reported before. None and empty: unknown.

    `current_mode` and `current_model` are ids, which need not be among those that the agent lists.
    """

    title: str | None = None
    modes: tuple[SessionChoice, ...] = ()
    current_mode: str | None = None
    models: tuple[SessionChoice, ...] = ()
    current_model: str | None = None
    commands: tuple[SessionChoice, ...] = ()
    logins: tuple[SessionChoice, ...] = ()
    login_needed: bool | None = None


@attrs.frozen(kw_only=True)
class UsageUpdated:
    """What a turn has used so far, whole: it replaces what was reported of that turn before. None where unknown.

    `input_tokens` includes `cached_input_tokens`, which were read from the model's cache; `output_tokens` includes
    `reasoning_tokens`. `context_used` of `context_window` tokens are in the model's context now. `model` is the one
    that the turn used most.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    context_window: int | None = None
    context_used: int | None = None
    cost_usd: float | None = None
    model: str | None = None


@attrs.frozen(kw_only=True)
class SessionExited:
    """The agent process is gone. `asked` is True where the runtime ended it; `stderr_tail` is the end of its stderr."""

    asked: bool
    exit_code: int | None = None
    stderr_tail: str = ""


ProviderRuntimeEvent: TypeAlias = (
    SessionStarted
    | ThreadStarted
    | TurnStarted
    | MessageDelta
    | MessageCompleted
    | ToolStarted
    | ToolUpdated
    | ToolCompleted
    | AttachmentProduced
    | SubagentStarted
    | SubagentMessage
    | SubagentCompleted
    | PlanUpdated
    | ReasoningCompleted
    | ApprovalRequested
    | QuestionRequested
    | ApprovalResolved
    | TurnCompleted
    | CheckpointCaptured
    | RuntimeErrorReported
    | SessionNotice
    | SessionInfoUpdated
    | UsageUpdated
    | SessionExited
)
