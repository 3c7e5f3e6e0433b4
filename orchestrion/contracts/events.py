"""The eighteen event types and the persisted event.

An event is a fact in the past tense: it is never rejected and never changed. Its payload carries what the decider
resolved (turn ids, what a revert removed), so that a projector needs the event and its own rows and nothing else.
"""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

import attrs

from .errors import EventDecodeError
from .ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    CheckpointRef,
    CommandId,
    EventId,
    MessageId,
    ProjectId,
    ProviderItemId,
    ProviderSessionId,
    ProviderThreadId,
    ProviderTurnId,
    ThreadId,
    TurnId,
)
from .values import (
    UNSET,
    Activity,
    ActorKind,
    AggregateKind,
    Answers,
    ApprovalDecision,
    ChangedFile,
    CheckpointStatus,
    Count,
    Instant,
    Label,
    MessageAttachment,
    MessageRole,
    OpenedTurn,
    ProjectScript,
    Session,
    Unset,
)


@attrs.frozen(kw_only=True)
class ProjectCreated:
    event_type: ClassVar[str] = "project.created"
    project_id: ProjectId
    title: Label
    workspace_root: Label
    default_model: Label | None
    scripts: tuple[ProjectScript, ...]
    created_at: Instant
    updated_at: Instant


@attrs.frozen(kw_only=True)
class ProjectMetaUpdated:
    event_type: ClassVar[str] = "project.meta-updated"
    project_id: ProjectId
    title: Label | Unset = UNSET
    workspace_root: Label | Unset = UNSET
    default_model: Label | Unset | None = UNSET
    scripts: tuple[ProjectScript, ...] | Unset = UNSET
    updated_at: Instant


@attrs.frozen(kw_only=True)
class ProjectDeleted:
    event_type: ClassVar[str] = "project.deleted"
    project_id: ProjectId
    deleted_at: Instant


@attrs.frozen(kw_only=True)
class ThreadCreated:
    event_type: ClassVar[str] = "thread.created"
    thread_id: ThreadId
    project_id: ProjectId
    title: Label
    model: Label | Unset = UNSET
    provider: Label | Unset = UNSET
    branch: Label | None
    worktree_path: Label | None
    created_at: Instant
    updated_at: Instant


@attrs.frozen(kw_only=True)
class ThreadMetaUpdated:
    event_type: ClassVar[str] = "thread.meta-updated"
    thread_id: ThreadId
    title: Label | Unset = UNSET
    model: Label | Unset = UNSET
    branch: Label | Unset | None = UNSET
    worktree_path: Label | Unset | None = UNSET
    updated_at: Instant


@attrs.frozen(kw_only=True)
class ThreadDeleted:
    event_type: ClassVar[str] = "thread.deleted"
    thread_id: ThreadId
    deleted_at: Instant


@attrs.frozen(kw_only=True)
class ThreadMessageSent:
    """A user's message, or a piece of an assistant's.

    Streaming: `text` is appended. Not streaming: text "" ends the message as it is, other text replaces it.
    """

    event_type: ClassVar[str] = "thread.message-sent"
    thread_id: ThreadId
    message_id: MessageId
    role: MessageRole
    text: str
    attachments: tuple[MessageAttachment, ...] | Unset = UNSET
    turn_id: TurnId | None
    streaming: bool
    created_at: Instant
    updated_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnStartRequested:
    event_type: ClassVar[str] = "thread.turn-start-requested"
    thread_id: ThreadId
    turn_id: TurnId
    message_id: MessageId
    model: Label | Unset = UNSET
    effort: Label | Unset = UNSET
    steered: bool | Unset = UNSET
    """Whether the message was sent to steer a turn: it runs before the turns that waited then."""
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnSteerRequested:
    """A message for the running turn. `turn_id` is that turn, None if none ran when the message was sent."""

    event_type: ClassVar[str] = "thread.turn-steer-requested"
    thread_id: ThreadId
    turn_id: TurnId | None
    message_id: MessageId
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadQueueUpdated:
    """`turn_ids` are all waiting turns, in the order in which they will run."""

    event_type: ClassVar[str] = "thread.queue-updated"
    thread_id: ThreadId
    turn_ids: tuple[TurnId, ...]
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnInterruptRequested:
    event_type: ClassVar[str] = "thread.turn-interrupt-requested"
    thread_id: ThreadId
    turn_id: TurnId
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadApprovalResponseRequested:
    """The user's answer to a request. In `answers`, `[secret]` replaces each answer to a secret question."""

    event_type: ClassVar[str] = "thread.approval-response-requested"
    thread_id: ThreadId
    request_id: ApprovalRequestId
    decision: ApprovalDecision
    option_id: ApprovalOptionId | Unset = UNSET
    answers: Answers | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadCheckpointRevertRequested:
    event_type: ClassVar[str] = "thread.checkpoint-revert-requested"
    thread_id: ThreadId
    turn_count: Count
    revert_others: bool | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadReverted:
    """The turns above `turn_count` are gone; `latest_turn_id` is the last one kept."""

    event_type: ClassVar[str] = "thread.reverted"
    thread_id: ThreadId
    turn_count: Count
    removed_turn_ids: tuple[TurnId, ...]
    removed_message_ids: tuple[MessageId, ...]
    latest_turn_id: TurnId | None
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadSessionStopRequested:
    event_type: ClassVar[str] = "thread.session-stop-requested"
    thread_id: ThreadId
    forget_conversation: bool | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadSessionSetEvent:
    """The session's new state. Only the event that opens a turn has `turn`."""

    event_type: ClassVar[str] = "thread.session-set"
    thread_id: ThreadId
    session: Session
    turn: OpenedTurn | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnDiffCompleted:
    event_type: ClassVar[str] = "thread.turn-diff-completed"
    thread_id: ThreadId
    turn_id: TurnId
    checkpoint_turn_count: Count
    checkpoint_ref: CheckpointRef
    status: CheckpointStatus
    files: tuple[ChangedFile, ...]
    assistant_message_id: MessageId | None
    completed_at: Instant
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadActivityAppended:
    event_type: ClassVar[str] = "thread.activity-appended"
    thread_id: ThreadId
    activity: Activity
    created_at: Instant


ProjectPayload: TypeAlias = ProjectCreated | ProjectMetaUpdated | ProjectDeleted
ThreadPayload: TypeAlias = (
    ThreadCreated
    | ThreadMetaUpdated
    | ThreadDeleted
    | ThreadMessageSent
    | ThreadTurnStartRequested
    | ThreadTurnSteerRequested
    | ThreadQueueUpdated
    | ThreadTurnInterruptRequested
    | ThreadApprovalResponseRequested
    | ThreadCheckpointRevertRequested
    | ThreadReverted
    | ThreadSessionStopRequested
    | ThreadSessionSetEvent
    | ThreadTurnDiffCompleted
    | ThreadActivityAppended
)
EventPayload: TypeAlias = ProjectPayload | ThreadPayload

EVENT_PAYLOADS: Final[tuple[type[EventPayload], ...]] = (
    ProjectCreated,
    ProjectMetaUpdated,
    ProjectDeleted,
    ThreadCreated,
    ThreadMetaUpdated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
    ThreadQueueUpdated,
    ThreadTurnInterruptRequested,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadReverted,
    ThreadSessionStopRequested,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
    ThreadActivityAppended,
)

Intent: TypeAlias = (
    ThreadTurnStartRequested
    | ThreadTurnSteerRequested
    | ThreadTurnInterruptRequested
    | ThreadApprovalResponseRequested
    | ThreadCheckpointRevertRequested
    | ThreadSessionStopRequested
)
"""An event that asks for a side effect: open until an event carries its id as cause, or its thread is deleted."""

INTENT_TYPES: Final = (
    ThreadTurnStartRequested.event_type,
    ThreadTurnInterruptRequested.event_type,
    ThreadApprovalResponseRequested.event_type,
    ThreadCheckpointRevertRequested.event_type,
    ThreadSessionStopRequested.event_type,
    ThreadTurnSteerRequested.event_type,
)


@attrs.frozen(kw_only=True)
class EventMetadata:
    """What the sender of a command knew besides its content. A field that is None is not stored.

    `ingested_at` is read and kept. The runtime does not write it: it ingests a provider's event at the `occurred_at` of
    the events that follow from it.
    """

    provider_session_id: ProviderSessionId | None = None
    provider_thread_id: ProviderThreadId | None = None
    provider_turn_id: ProviderTurnId | None = None
    provider_item_id: ProviderItemId | None = None
    adapter_key: Label | None = None
    request_id: ApprovalRequestId | None = None
    ingested_at: Instant | None = None
    command_fingerprint: Label | None = None


NO_METADATA: Final = EventMetadata()


@attrs.frozen(kw_only=True)
class PersistedEvent:
    """An event as the log holds it. `sequence` counts the whole log, `stream_version` its stream, both from 1."""

    sequence: int
    event_id: EventId
    aggregate_kind: AggregateKind
    stream_id: str
    stream_version: int
    event_type: str
    occurred_at: Instant
    command_id: CommandId | None
    causation_event_id: EventId | None
    correlation_id: CommandId | None
    actor_kind: ActorKind
    payload: EventPayload
    metadata: EventMetadata


@attrs.frozen(kw_only=True)
class UndecodableEvent:
    """A row of the log whose payload this version cannot decode. It is delivered with its raw columns, never dropped.

    `known` is False where the event type itself is unknown, as a newer version may have written it.
    """

    sequence: int
    event_id: EventId
    aggregate_kind: str
    stream_id: str
    stream_version: int
    event_type: str
    occurred_at: str
    command_id: str | None
    causation_event_id: str | None
    correlation_id: str | None
    actor_kind: str
    payload_json: str
    metadata_json: str
    known: bool
    fault: str

    @property
    def error(self) -> EventDecodeError:
        """The error for a reader to raise that cannot continue without this event."""
        return EventDecodeError(self.sequence, self.event_type, self.fault)


LoggedEvent: TypeAlias = PersistedEvent | UndecodableEvent
