"""Orchestrion: the part of an agent host that remembers.

Everything a host needs is imported from here. A name is loaded at its first use, so that `import orchestrion` costs
next to nothing, and the agent that ships with the package starts as fast as a script. The types of the names are
in `__init__.pyi`.
"""

from importlib import import_module as _import_module
from typing import Any

_NAMES = {
    ".actors.checkpoints.captures_under_way": "CaptureBudget CaptureHealth",
    ".actors.log.dispatcher": "Submission",
    ".actors.last_errors": "LastError",
    ".actors.projecting.condition": "ProjectorHealth",
    ".actors.providers.acp.provider": "AcpProvider",
    ".actors.providers.acp.rehearsal": "RehearsalProvider",
    ".actors.providers.catalogue.entries": (
        "AgentEntry AgentProtocol AsksInMode Catalogue Installation LoginHint Quirk ScenarioFails SharedDaemon "
        "SlowStart"
    ),
    ".actors.providers.catalogue.probe": "AgentPresence LoginTrace probe_agents",
    ".actors.providers.catalogue.providers": "provider_from_catalogue",
    ".actors.providers.catalogue.reading": "read_catalogue",
    ".actors.providers.claude.provider": "ClaudeProvider",
    ".actors.providers.codex.provider": "CodexProvider",
    ".actors.providers.in_process.provider": "in_process_provider",
    ".actors.providers.in_process.turn": "InProcessTurn",
    ".actors.providers.process.environment": "INHERITED",
    ".actors.providers.adapter": (
        "AgentConnection Capabilities KeepsConversations KeptConversations ProcessIdentity Provider RollsBack "
        "SessionRequest SignsOfLife SteerRequest Steers ThreadHistory TurnRequest"
    ),
    ".actors.sessions.health": "SessionHealth",
    ".actors.providers.session_config": (
        "ConfigText HostVariable HttpMcpServer McpServer SandboxMode SessionConfig StdioMcpServer"
    ),
    ".actors.providers.session_limits": "SessionLimits",
    ".actors.projecting.snapshot_stream": "SnapshotStream",
    ".actors.log.subscriptions": "Subscription",
    ".persistence.blobs": "RetentionPolicy",
    ".persistence.bootstrap": "ReplayProgress",
    ".persistence.identity": "DatabaseCopy",
    ".contracts.admission": "command_json parse_command",
    ".contracts.attachments": "attachment_of",
    ".contracts.codec": "to_json",
    ".contracts.commands": (
        "ClientCommand Command InternalCommand ProjectCommand ProjectCreate ProjectDelete ProjectMetaUpdate "
        "ThreadActivityAppend ThreadApprovalRespond ThreadCheckpointRevert ThreadCreate ThreadDelete "
        "ThreadMessageAssistantComplete ThreadMessageAssistantDelta ThreadMessageImport ThreadMetaUpdate "
        "ThreadQueueUpdate "
        "ThreadRevertComplete ThreadSessionSet ThreadSessionStop ThreadTurnDiffComplete ThreadTurnInterrupt "
        "ThreadTurnStart ThreadTurnSteer ThreadTurnSteerQueue"
    ),
    ".contracts.conversations": (
        "ConversationHistory ImportOutcome ImportedConversation ListedConversation PastActivity PastEvent PastItem "
        "PastMessage"
    ),
    ".contracts.errors": (
        "AnswerRefused AttachmentUnreadable CommandIdReused CommandRejected ConcurrencyConflict DatabaseCorrupt "
        "DatabaseInUse DatabaseTooNew EventDecodeError ForeignDatabase InvalidCatalogue InvalidCommand "
        "InvalidRequest NotFound OrchestrionError Overloaded ProjectionStalled ProviderError ProviderProtocolError "
        "ProviderUnavailable ResumeRefused RuntimeFailed RuntimeStopped SequenceAheadOfLog SessionLost StoreError "
        "StoreFull TurnDiffNotFound WorkspaceUnusable"
    ),
    ".contracts.event_codec": "event_json",
    ".contracts.events": (
        "EventMetadata EventPayload Intent LoggedEvent PersistedEvent ProjectCreated ProjectDeleted "
        "ProjectMetaUpdated ProjectPayload ThreadActivityAppended ThreadApprovalResponseRequested "
        "ThreadCheckpointRevertRequested ThreadCreated ThreadDeleted ThreadMessageSent ThreadMetaUpdated "
        "ThreadPayload ThreadQueueUpdated ThreadReverted ThreadSessionSetEvent ThreadSessionStopRequested "
        "ThreadTurnDiffCompleted ThreadTurnInterruptRequested ThreadTurnStartRequested "
        "ThreadTurnSteerRequested UndecodableEvent"
    ),
    ".contracts.ids": (
        "ActivityId ApprovalOptionId ApprovalRequestId CheckpointRef CommandId EventId MessageId ProjectId "
        "ProviderItemId ProviderSessionId ProviderThreadId ProviderTurnId QuestionId ThreadId TurnId"
    ),
    ".contracts.provider_events": (
        "ApprovalKind ApprovalOption ApprovalRequested ApprovalResolved AttachmentProduced CheckpointCaptured "
        "MessageCompleted MessageDelta NoticeKind PlanUpdated ProviderRuntimeEvent QuestionRequested "
        "ReasoningCompleted RequestKind RuntimeErrorReported SessionChoice SessionExited "
        "SessionInfoUpdated SessionNotice SessionStarted SubagentCompleted SubagentMessage "
        "SubagentStarted ThreadStarted ToolCompleted ToolStarted ToolUpdated TurnCompleted TurnOutcome "
        "TurnStarted UsageUpdated"
    ),
    ".contracts.questions": "Question QuestionOption",
    ".contracts.read_model": (
        "AttachmentContent AttachmentView CheckpointView DispatchResult FullSnapshot FullThreadView MessageView "
        "PendingApprovalView ProjectView QueuedTurnView ReplayPage Snapshot SnapshotDetail ThreadUsage ThreadView "
        "TurnDiff TurnFailure TurnView"
    ),
    ".contracts.revert_preview": "OthersWork RevertPreview",
    ".contracts.values": (
        "Activity ActorKind AggregateKind Answers ApprovalDecision ApprovalOptionKind ApprovalStatus Attachment "
        "AttachmentName AttachmentSize AttachmentType ChangedFile CheckpointStatus Count DataUrl Digest EPOCH "
        "FailureReason FileChangeKind Instant JsonObject Label MediaType MessageAttachment MessageRole MessageText "
        "OpenedTurn ProjectScript ReceiptStatus ScriptIcon Session SessionRuntimeStatus SessionStatus StoredAttachment "
        "Tone TurnOrigin TurnStatus UNSET Unset UserMessage instant"
    ),
    ".contracts.new_values": "new_command_id new_message_id new_project_id new_thread_id now",
    ".runtime.handles.items": "Approval Ended Notice Plan QuestionForm Resolved Text Thought ToolCall TurnItem Usage",
    ".runtime.handles.thread_handle": "ThreadHandle",
    ".runtime.handles.turn_handle": "ApprovalAnswer FormAnswer OnApproval OnQuestion TurnHandle TurnResult",
    ".domain.imports": "import_thread_id",
    ".runtime.health": "Health",
    ".runtime.host": "open_runtime",
    ".runtime.options": "CopyPolicy RuntimeOptions",
    ".runtime.runtime": "Runtime",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_MODULES)  # noqa: PLE0605 - derived from the one table above


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
