"""Orchestrion: the part of an agent host that remembers.

Everything a host needs is imported from here. A name is loaded at its first use, so that `import orchestrion` costs
next to nothing, and the agent that ships with the package starts as fast as a script.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.dispatcher import (
        Submission as Submission,
    )
    from .actors.projector import (
        ProjectorHealth as ProjectorHealth,
    )
    from .actors.providers.acp import (
        AcpProvider as AcpProvider,
    )
    from .actors.providers.adapter import (
        AgentConnection as AgentConnection,
    )
    from .actors.providers.adapter import (
        Capabilities as Capabilities,
    )
    from .actors.providers.adapter import (
        ProcessIdentity as ProcessIdentity,
    )
    from .actors.providers.adapter import (
        Provider as Provider,
    )
    from .actors.providers.adapter import (
        SessionRequest as SessionRequest,
    )
    from .actors.providers.adapter import (
        TurnRequest as TurnRequest,
    )
    from .actors.session_health import (
        SessionHealth as SessionHealth,
    )
    from .actors.session_limits import (
        SessionLimits as SessionLimits,
    )
    from .actors.subscriptions import (
        Subscription as Subscription,
    )
    from .persistence.bootstrap import (
        ReplayProgress as ReplayProgress,
    )
    from .runtime.contracts.admission import (
        command_json as command_json,
    )
    from .runtime.contracts.admission import (
        parse_command as parse_command,
    )
    from .runtime.contracts.codec import (
        to_json as to_json,
    )
    from .runtime.contracts.commands import (
        ClientCommand as ClientCommand,
    )
    from .runtime.contracts.commands import (
        Command as Command,
    )
    from .runtime.contracts.commands import (
        InternalCommand as InternalCommand,
    )
    from .runtime.contracts.commands import (
        ProjectCommand as ProjectCommand,
    )
    from .runtime.contracts.commands import (
        ProjectCreate as ProjectCreate,
    )
    from .runtime.contracts.commands import (
        ProjectDelete as ProjectDelete,
    )
    from .runtime.contracts.commands import (
        ProjectMetaUpdate as ProjectMetaUpdate,
    )
    from .runtime.contracts.commands import (
        ThreadActivityAppend as ThreadActivityAppend,
    )
    from .runtime.contracts.commands import (
        ThreadApprovalRespond as ThreadApprovalRespond,
    )
    from .runtime.contracts.commands import (
        ThreadCheckpointRevert as ThreadCheckpointRevert,
    )
    from .runtime.contracts.commands import (
        ThreadCreate as ThreadCreate,
    )
    from .runtime.contracts.commands import (
        ThreadDelete as ThreadDelete,
    )
    from .runtime.contracts.commands import (
        ThreadMessageAssistantComplete as ThreadMessageAssistantComplete,
    )
    from .runtime.contracts.commands import (
        ThreadMessageAssistantDelta as ThreadMessageAssistantDelta,
    )
    from .runtime.contracts.commands import (
        ThreadMetaUpdate as ThreadMetaUpdate,
    )
    from .runtime.contracts.commands import (
        ThreadRevertComplete as ThreadRevertComplete,
    )
    from .runtime.contracts.commands import (
        ThreadSessionSet as ThreadSessionSet,
    )
    from .runtime.contracts.commands import (
        ThreadSessionStop as ThreadSessionStop,
    )
    from .runtime.contracts.commands import (
        ThreadTurnDiffComplete as ThreadTurnDiffComplete,
    )
    from .runtime.contracts.commands import (
        ThreadTurnInterrupt as ThreadTurnInterrupt,
    )
    from .runtime.contracts.commands import (
        ThreadTurnStart as ThreadTurnStart,
    )
    from .runtime.contracts.errors import (
        CommandIdReused as CommandIdReused,
    )
    from .runtime.contracts.errors import (
        CommandRejected as CommandRejected,
    )
    from .runtime.contracts.errors import (
        ConcurrencyConflict as ConcurrencyConflict,
    )
    from .runtime.contracts.errors import (
        DatabaseCorrupt as DatabaseCorrupt,
    )
    from .runtime.contracts.errors import (
        DatabaseInUse as DatabaseInUse,
    )
    from .runtime.contracts.errors import (
        DatabaseTooNew as DatabaseTooNew,
    )
    from .runtime.contracts.errors import (
        EventDecodeError as EventDecodeError,
    )
    from .runtime.contracts.errors import (
        ForeignDatabase as ForeignDatabase,
    )
    from .runtime.contracts.errors import (
        InvalidCommand as InvalidCommand,
    )
    from .runtime.contracts.errors import (
        InvalidRequest as InvalidRequest,
    )
    from .runtime.contracts.errors import (
        MailboxClosed as MailboxClosed,
    )
    from .runtime.contracts.errors import (
        NotFound as NotFound,
    )
    from .runtime.contracts.errors import (
        OrchestrionError as OrchestrionError,
    )
    from .runtime.contracts.errors import (
        Overloaded as Overloaded,
    )
    from .runtime.contracts.errors import (
        ProjectionStalled as ProjectionStalled,
    )
    from .runtime.contracts.errors import (
        ProviderError as ProviderError,
    )
    from .runtime.contracts.errors import (
        ProviderProtocolError as ProviderProtocolError,
    )
    from .runtime.contracts.errors import (
        ProviderUnavailable as ProviderUnavailable,
    )
    from .runtime.contracts.errors import (
        ResumeRefused as ResumeRefused,
    )
    from .runtime.contracts.errors import (
        RuntimeFailed as RuntimeFailed,
    )
    from .runtime.contracts.errors import (
        SequenceAheadOfLog as SequenceAheadOfLog,
    )
    from .runtime.contracts.errors import (
        SessionLost as SessionLost,
    )
    from .runtime.contracts.errors import (
        StoreError as StoreError,
    )
    from .runtime.contracts.errors import (
        StoreFull as StoreFull,
    )
    from .runtime.contracts.errors import (
        TurnDiffNotFound as TurnDiffNotFound,
    )
    from .runtime.contracts.event_codec import (
        event_json as event_json,
    )
    from .runtime.contracts.events import (
        EventMetadata as EventMetadata,
    )
    from .runtime.contracts.events import (
        EventPayload as EventPayload,
    )
    from .runtime.contracts.events import (
        Intent as Intent,
    )
    from .runtime.contracts.events import (
        LoggedEvent as LoggedEvent,
    )
    from .runtime.contracts.events import (
        PersistedEvent as PersistedEvent,
    )
    from .runtime.contracts.events import (
        ProjectCreated as ProjectCreated,
    )
    from .runtime.contracts.events import (
        ProjectDeleted as ProjectDeleted,
    )
    from .runtime.contracts.events import (
        ProjectMetaUpdated as ProjectMetaUpdated,
    )
    from .runtime.contracts.events import (
        ProjectPayload as ProjectPayload,
    )
    from .runtime.contracts.events import (
        ThreadActivityAppended as ThreadActivityAppended,
    )
    from .runtime.contracts.events import (
        ThreadApprovalResponseRequested as ThreadApprovalResponseRequested,
    )
    from .runtime.contracts.events import (
        ThreadCheckpointRevertRequested as ThreadCheckpointRevertRequested,
    )
    from .runtime.contracts.events import (
        ThreadCreated as ThreadCreated,
    )
    from .runtime.contracts.events import (
        ThreadDeleted as ThreadDeleted,
    )
    from .runtime.contracts.events import (
        ThreadMessageSent as ThreadMessageSent,
    )
    from .runtime.contracts.events import (
        ThreadMetaUpdated as ThreadMetaUpdated,
    )
    from .runtime.contracts.events import (
        ThreadPayload as ThreadPayload,
    )
    from .runtime.contracts.events import (
        ThreadReverted as ThreadReverted,
    )
    from .runtime.contracts.events import (
        ThreadSessionSetEvent as ThreadSessionSetEvent,
    )
    from .runtime.contracts.events import (
        ThreadSessionStopRequested as ThreadSessionStopRequested,
    )
    from .runtime.contracts.events import (
        ThreadTurnDiffCompleted as ThreadTurnDiffCompleted,
    )
    from .runtime.contracts.events import (
        ThreadTurnInterruptRequested as ThreadTurnInterruptRequested,
    )
    from .runtime.contracts.events import (
        ThreadTurnStartRequested as ThreadTurnStartRequested,
    )
    from .runtime.contracts.events import (
        UndecodableEvent as UndecodableEvent,
    )
    from .runtime.contracts.ids import (
        ActivityId as ActivityId,
    )
    from .runtime.contracts.ids import (
        ApprovalRequestId as ApprovalRequestId,
    )
    from .runtime.contracts.ids import (
        CheckpointRef as CheckpointRef,
    )
    from .runtime.contracts.ids import (
        CommandId as CommandId,
    )
    from .runtime.contracts.ids import (
        EventId as EventId,
    )
    from .runtime.contracts.ids import (
        MessageId as MessageId,
    )
    from .runtime.contracts.ids import (
        ProjectId as ProjectId,
    )
    from .runtime.contracts.ids import (
        ProviderItemId as ProviderItemId,
    )
    from .runtime.contracts.ids import (
        ProviderSessionId as ProviderSessionId,
    )
    from .runtime.contracts.ids import (
        ProviderThreadId as ProviderThreadId,
    )
    from .runtime.contracts.ids import (
        ProviderTurnId as ProviderTurnId,
    )
    from .runtime.contracts.ids import (
        ThreadId as ThreadId,
    )
    from .runtime.contracts.ids import (
        TurnId as TurnId,
    )
    from .runtime.contracts.provider_events import (
        ApprovalKind as ApprovalKind,
    )
    from .runtime.contracts.provider_events import (
        ApprovalRequested as ApprovalRequested,
    )
    from .runtime.contracts.provider_events import (
        ApprovalResolved as ApprovalResolved,
    )
    from .runtime.contracts.provider_events import (
        CheckpointCaptured as CheckpointCaptured,
    )
    from .runtime.contracts.provider_events import (
        MessageCompleted as MessageCompleted,
    )
    from .runtime.contracts.provider_events import (
        MessageDelta as MessageDelta,
    )
    from .runtime.contracts.provider_events import (
        PlanUpdated as PlanUpdated,
    )
    from .runtime.contracts.provider_events import (
        ProviderRuntimeEvent as ProviderRuntimeEvent,
    )
    from .runtime.contracts.provider_events import (
        ReasoningCompleted as ReasoningCompleted,
    )
    from .runtime.contracts.provider_events import (
        RuntimeErrorReported as RuntimeErrorReported,
    )
    from .runtime.contracts.provider_events import (
        SessionExited as SessionExited,
    )
    from .runtime.contracts.provider_events import (
        SessionStarted as SessionStarted,
    )
    from .runtime.contracts.provider_events import (
        ThreadStarted as ThreadStarted,
    )
    from .runtime.contracts.provider_events import (
        ToolCompleted as ToolCompleted,
    )
    from .runtime.contracts.provider_events import (
        ToolStarted as ToolStarted,
    )
    from .runtime.contracts.provider_events import (
        TurnCompleted as TurnCompleted,
    )
    from .runtime.contracts.provider_events import (
        TurnOutcome as TurnOutcome,
    )
    from .runtime.contracts.provider_events import (
        TurnStarted as TurnStarted,
    )
    from .runtime.contracts.read_model import (
        CheckpointView as CheckpointView,
    )
    from .runtime.contracts.read_model import (
        DispatchResult as DispatchResult,
    )
    from .runtime.contracts.read_model import (
        MessageView as MessageView,
    )
    from .runtime.contracts.read_model import (
        PendingApprovalView as PendingApprovalView,
    )
    from .runtime.contracts.read_model import (
        ProjectView as ProjectView,
    )
    from .runtime.contracts.read_model import (
        Snapshot as Snapshot,
    )
    from .runtime.contracts.read_model import (
        SnapshotDetail as SnapshotDetail,
    )
    from .runtime.contracts.read_model import (
        ThreadView as ThreadView,
    )
    from .runtime.contracts.read_model import (
        TurnDiff as TurnDiff,
    )
    from .runtime.contracts.read_model import (
        TurnView as TurnView,
    )
    from .runtime.contracts.values import (
        EPOCH as EPOCH,
    )
    from .runtime.contracts.values import (
        UNSET as UNSET,
    )
    from .runtime.contracts.values import (
        Activity as Activity,
    )
    from .runtime.contracts.values import (
        ActorKind as ActorKind,
    )
    from .runtime.contracts.values import (
        AggregateKind as AggregateKind,
    )
    from .runtime.contracts.values import (
        ApprovalDecision as ApprovalDecision,
    )
    from .runtime.contracts.values import (
        ApprovalStatus as ApprovalStatus,
    )
    from .runtime.contracts.values import (
        Attachment as Attachment,
    )
    from .runtime.contracts.values import (
        AttachmentName as AttachmentName,
    )
    from .runtime.contracts.values import (
        AttachmentSize as AttachmentSize,
    )
    from .runtime.contracts.values import (
        ChangedFile as ChangedFile,
    )
    from .runtime.contracts.values import (
        CheckpointStatus as CheckpointStatus,
    )
    from .runtime.contracts.values import (
        Count as Count,
    )
    from .runtime.contracts.values import (
        DataUrl as DataUrl,
    )
    from .runtime.contracts.values import (
        FileChangeKind as FileChangeKind,
    )
    from .runtime.contracts.values import (
        ImageMimeType as ImageMimeType,
    )
    from .runtime.contracts.values import (
        Instant as Instant,
    )
    from .runtime.contracts.values import (
        JsonObject as JsonObject,
    )
    from .runtime.contracts.values import (
        Label as Label,
    )
    from .runtime.contracts.values import (
        MessageRole as MessageRole,
    )
    from .runtime.contracts.values import (
        MessageText as MessageText,
    )
    from .runtime.contracts.values import (
        OpenedTurn as OpenedTurn,
    )
    from .runtime.contracts.values import (
        ProjectScript as ProjectScript,
    )
    from .runtime.contracts.values import (
        ReceiptStatus as ReceiptStatus,
    )
    from .runtime.contracts.values import (
        RuntimeStatus as RuntimeStatus,
    )
    from .runtime.contracts.values import (
        ScriptIcon as ScriptIcon,
    )
    from .runtime.contracts.values import (
        Session as Session,
    )
    from .runtime.contracts.values import (
        SessionStatus as SessionStatus,
    )
    from .runtime.contracts.values import (
        Tone as Tone,
    )
    from .runtime.contracts.values import (
        TurnStatus as TurnStatus,
    )
    from .runtime.contracts.values import (
        Unset as Unset,
    )
    from .runtime.contracts.values import (
        UserMessage as UserMessage,
    )
    from .runtime.contracts.values import (
        instant as instant,
    )
    from .runtime.health import (
        Health as Health,
    )
    from .runtime.host import (
        open_runtime as open_runtime,
    )
    from .runtime.options import (
        RuntimeOptions as RuntimeOptions,
    )
    from .runtime.runtime import (
        Runtime as Runtime,
    )

_NAMES = {
    ".actors.dispatcher": ("Submission",),
    ".actors.projector": ("ProjectorHealth",),
    ".actors.providers.acp": ("AcpProvider",),
    ".actors.providers.adapter": (
        "AgentConnection",
        "Capabilities",
        "ProcessIdentity",
        "Provider",
        "SessionRequest",
        "TurnRequest",
    ),
    ".actors.session_health": ("SessionHealth",),
    ".actors.session_limits": ("SessionLimits",),
    ".actors.subscriptions": ("Subscription",),
    ".persistence.bootstrap": ("ReplayProgress",),
    ".runtime.contracts.admission": (
        "command_json",
        "parse_command",
    ),
    ".runtime.contracts.codec": ("to_json",),
    ".runtime.contracts.commands": (
        "ClientCommand",
        "Command",
        "InternalCommand",
        "ProjectCommand",
        "ProjectCreate",
        "ProjectDelete",
        "ProjectMetaUpdate",
        "ThreadActivityAppend",
        "ThreadApprovalRespond",
        "ThreadCheckpointRevert",
        "ThreadCreate",
        "ThreadDelete",
        "ThreadMessageAssistantComplete",
        "ThreadMessageAssistantDelta",
        "ThreadMetaUpdate",
        "ThreadRevertComplete",
        "ThreadSessionSet",
        "ThreadSessionStop",
        "ThreadTurnDiffComplete",
        "ThreadTurnInterrupt",
        "ThreadTurnStart",
    ),
    ".runtime.contracts.errors": (
        "CommandIdReused",
        "CommandRejected",
        "ConcurrencyConflict",
        "DatabaseCorrupt",
        "DatabaseInUse",
        "DatabaseTooNew",
        "EventDecodeError",
        "ForeignDatabase",
        "InvalidCommand",
        "InvalidRequest",
        "MailboxClosed",
        "NotFound",
        "OrchestrionError",
        "Overloaded",
        "ProjectionStalled",
        "ProviderError",
        "ProviderProtocolError",
        "ProviderUnavailable",
        "ResumeRefused",
        "RuntimeFailed",
        "SequenceAheadOfLog",
        "SessionLost",
        "StoreError",
        "StoreFull",
        "TurnDiffNotFound",
    ),
    ".runtime.contracts.event_codec": ("event_json",),
    ".runtime.contracts.events": (
        "EventMetadata",
        "EventPayload",
        "Intent",
        "LoggedEvent",
        "PersistedEvent",
        "ProjectCreated",
        "ProjectDeleted",
        "ProjectMetaUpdated",
        "ProjectPayload",
        "ThreadActivityAppended",
        "ThreadApprovalResponseRequested",
        "ThreadCheckpointRevertRequested",
        "ThreadCreated",
        "ThreadDeleted",
        "ThreadMessageSent",
        "ThreadMetaUpdated",
        "ThreadPayload",
        "ThreadReverted",
        "ThreadSessionSetEvent",
        "ThreadSessionStopRequested",
        "ThreadTurnDiffCompleted",
        "ThreadTurnInterruptRequested",
        "ThreadTurnStartRequested",
        "UndecodableEvent",
    ),
    ".runtime.contracts.ids": (
        "ActivityId",
        "ApprovalRequestId",
        "CheckpointRef",
        "CommandId",
        "EventId",
        "MessageId",
        "ProjectId",
        "ProviderItemId",
        "ProviderSessionId",
        "ProviderThreadId",
        "ProviderTurnId",
        "ThreadId",
        "TurnId",
    ),
    ".runtime.contracts.provider_events": (
        "ApprovalKind",
        "ApprovalRequested",
        "ApprovalResolved",
        "CheckpointCaptured",
        "MessageCompleted",
        "MessageDelta",
        "PlanUpdated",
        "ProviderRuntimeEvent",
        "ReasoningCompleted",
        "RuntimeErrorReported",
        "SessionExited",
        "SessionStarted",
        "ThreadStarted",
        "ToolCompleted",
        "ToolStarted",
        "TurnCompleted",
        "TurnOutcome",
        "TurnStarted",
    ),
    ".runtime.contracts.read_model": (
        "CheckpointView",
        "DispatchResult",
        "MessageView",
        "PendingApprovalView",
        "ProjectView",
        "Snapshot",
        "SnapshotDetail",
        "ThreadView",
        "TurnDiff",
        "TurnView",
    ),
    ".runtime.contracts.values": (
        "Activity",
        "ActorKind",
        "AggregateKind",
        "ApprovalDecision",
        "ApprovalStatus",
        "Attachment",
        "AttachmentName",
        "AttachmentSize",
        "ChangedFile",
        "CheckpointStatus",
        "Count",
        "DataUrl",
        "EPOCH",
        "FileChangeKind",
        "ImageMimeType",
        "Instant",
        "JsonObject",
        "Label",
        "MessageRole",
        "MessageText",
        "OpenedTurn",
        "ProjectScript",
        "ReceiptStatus",
        "RuntimeStatus",
        "ScriptIcon",
        "Session",
        "SessionStatus",
        "Tone",
        "TurnStatus",
        "UNSET",
        "Unset",
        "UserMessage",
        "instant",
    ),
    ".runtime.health": ("Health",),
    ".runtime.host": ("open_runtime",),
    ".runtime.options": ("RuntimeOptions",),
    ".runtime.runtime": ("Runtime",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "EPOCH",
    "UNSET",
    "AcpProvider",
    "Activity",
    "ActivityId",
    "ActorKind",
    "AgentConnection",
    "AggregateKind",
    "ApprovalDecision",
    "ApprovalKind",
    "ApprovalRequestId",
    "ApprovalRequested",
    "ApprovalResolved",
    "ApprovalStatus",
    "Attachment",
    "AttachmentName",
    "AttachmentSize",
    "Capabilities",
    "ChangedFile",
    "CheckpointCaptured",
    "CheckpointRef",
    "CheckpointStatus",
    "CheckpointView",
    "ClientCommand",
    "Command",
    "CommandId",
    "CommandIdReused",
    "CommandRejected",
    "ConcurrencyConflict",
    "Count",
    "DataUrl",
    "DatabaseCorrupt",
    "DatabaseInUse",
    "DatabaseTooNew",
    "DispatchResult",
    "EventDecodeError",
    "EventId",
    "EventMetadata",
    "EventPayload",
    "FileChangeKind",
    "ForeignDatabase",
    "Health",
    "ImageMimeType",
    "Instant",
    "Intent",
    "InternalCommand",
    "InvalidCommand",
    "InvalidRequest",
    "JsonObject",
    "Label",
    "LoggedEvent",
    "MailboxClosed",
    "MessageCompleted",
    "MessageDelta",
    "MessageId",
    "MessageRole",
    "MessageText",
    "MessageView",
    "NotFound",
    "OpenedTurn",
    "OrchestrionError",
    "Overloaded",
    "PendingApprovalView",
    "PersistedEvent",
    "PlanUpdated",
    "ProcessIdentity",
    "ProjectCommand",
    "ProjectCreate",
    "ProjectCreated",
    "ProjectDelete",
    "ProjectDeleted",
    "ProjectId",
    "ProjectMetaUpdate",
    "ProjectMetaUpdated",
    "ProjectPayload",
    "ProjectScript",
    "ProjectView",
    "ProjectionStalled",
    "ProjectorHealth",
    "Provider",
    "ProviderError",
    "ProviderItemId",
    "ProviderProtocolError",
    "ProviderRuntimeEvent",
    "ProviderSessionId",
    "ProviderThreadId",
    "ProviderTurnId",
    "ProviderUnavailable",
    "ReasoningCompleted",
    "ReceiptStatus",
    "ReplayProgress",
    "ResumeRefused",
    "Runtime",
    "RuntimeErrorReported",
    "RuntimeFailed",
    "RuntimeOptions",
    "RuntimeStatus",
    "ScriptIcon",
    "SequenceAheadOfLog",
    "Session",
    "SessionExited",
    "SessionHealth",
    "SessionLimits",
    "SessionLost",
    "SessionRequest",
    "SessionStarted",
    "SessionStatus",
    "Snapshot",
    "SnapshotDetail",
    "StoreError",
    "StoreFull",
    "Submission",
    "Subscription",
    "ThreadActivityAppend",
    "ThreadActivityAppended",
    "ThreadApprovalRespond",
    "ThreadApprovalResponseRequested",
    "ThreadCheckpointRevert",
    "ThreadCheckpointRevertRequested",
    "ThreadCreate",
    "ThreadCreated",
    "ThreadDelete",
    "ThreadDeleted",
    "ThreadId",
    "ThreadMessageAssistantComplete",
    "ThreadMessageAssistantDelta",
    "ThreadMessageSent",
    "ThreadMetaUpdate",
    "ThreadMetaUpdated",
    "ThreadPayload",
    "ThreadRevertComplete",
    "ThreadReverted",
    "ThreadSessionSet",
    "ThreadSessionSetEvent",
    "ThreadSessionStop",
    "ThreadSessionStopRequested",
    "ThreadStarted",
    "ThreadTurnDiffComplete",
    "ThreadTurnDiffCompleted",
    "ThreadTurnInterrupt",
    "ThreadTurnInterruptRequested",
    "ThreadTurnStart",
    "ThreadTurnStartRequested",
    "ThreadView",
    "Tone",
    "ToolCompleted",
    "ToolStarted",
    "TurnCompleted",
    "TurnDiff",
    "TurnDiffNotFound",
    "TurnId",
    "TurnOutcome",
    "TurnRequest",
    "TurnStarted",
    "TurnStatus",
    "TurnView",
    "UndecodableEvent",
    "Unset",
    "UserMessage",
    "command_json",
    "event_json",
    "instant",
    "open_runtime",
    "parse_command",
    "to_json",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
