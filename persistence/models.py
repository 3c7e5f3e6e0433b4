"""The thirteen tables as Peewee models: the columns, CHECKs and indexes that the migrations create.

No model has a database of its own. A query names the connection that runs it, `query.bind(database)` or
`execute(database)`, because one connection writes, each reader has its own, and which one runs a query is
never left to a global. The values an enum column admits are those of its `Literal` in the contracts. All thirteen stand
in one file, so that the schema can be read from top to bottom.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import peewee
from peewee import IntegerField, TextField, fn

from ..contracts.events import INTENT_TYPES
from ..contracts.values import (
    ActorKind,
    AggregateKind,
    ApprovalDecision,
    ApprovalStatus,
    CheckpointStatus,
    MessageRole,
    ReceiptStatus,
    SessionRuntimeStatus,
    SessionStatus,
    Tone,
    TurnStatus,
)


def _check(table: str, column: str, condition: str) -> list[peewee.Node]:
    return [peewee.Check(condition, f"ck_{table}_{column}")]


def _one_of(table: str, column: str, values: Any) -> list[peewee.Node]:
    listed = ", ".join(f"'{value}'" for value in get_args(values))
    return _check(table, column, f"{column} IN ({listed})")


def _at_least(table: str, column: str, least: int) -> list[peewee.Node]:
    return _check(table, column, f"{column} >= {least}")


def _json(table: str, column: str) -> list[peewee.Node]:
    return _check(table, column, f"json_valid({column})")


def _json_or_null(table: str, column: str) -> list[peewee.Node]:
    """SQLite before 3.42 holds that NULL is not valid JSON."""
    return _check(table, column, f"{column} IS NULL OR json_valid({column})")


class _Table(peewee.Model):
    class Meta:
        legacy_table_names = False
        strict_tables = True


class OrchestrationEvent(_Table):
    """One event of the log."""

    sequence = IntegerField(primary_key=True, constraints=_at_least("orchestration_events", "sequence", 1))
    event_id = TextField(unique=True)
    aggregate_kind = TextField(constraints=_one_of("orchestration_events", "aggregate_kind", AggregateKind))
    stream_id = TextField()
    stream_version = IntegerField(constraints=_at_least("orchestration_events", "stream_version", 1))
    event_type = TextField()
    occurred_at = TextField()
    command_id = TextField(null=True, index=True)
    causation_event_id = TextField(null=True)
    correlation_id = TextField(null=True, index=True)
    actor_kind = TextField(constraints=_one_of("orchestration_events", "actor_kind", ActorKind))
    payload_json = TextField(constraints=_json("orchestration_events", "payload_json"))
    metadata_json = TextField(constraints=_json("orchestration_events", "metadata_json"))

    class Meta:
        table_name = "orchestration_events"
        indexes = (
            (("aggregate_kind", "stream_id", "stream_version"), True),
            (("aggregate_kind", "stream_id", "sequence"), False),
        )


OrchestrationEvent.add_index(
    OrchestrationEvent.index(
        OrchestrationEvent.sequence,
        where=OrchestrationEvent.event_type.in_(INTENT_TYPES),
        name="orchestration_events_intents",
    )
)
OrchestrationEvent.add_index(
    OrchestrationEvent.index(
        OrchestrationEvent.stream_id,
        OrchestrationEvent.sequence,
        where=OrchestrationEvent.event_type.in_(INTENT_TYPES),
        name="orchestration_events_thread_intents",
    )
)
OrchestrationEvent.add_index(
    OrchestrationEvent.index(
        OrchestrationEvent.causation_event_id,
        where=OrchestrationEvent.causation_event_id.is_null(False),
        name="orchestration_events_caused",
    )
)
OrchestrationEvent.add_index(
    OrchestrationEvent.index(
        OrchestrationEvent.stream_id,
        OrchestrationEvent.sequence,
        where=(OrchestrationEvent.event_type == "thread.activity-appended")
        & (fn.instr(OrchestrationEvent.payload_json, '"digest":"sha256:') > 0),
        name="orchestration_events_attachments",
    )
)


class CommandReceipt(_Table):
    """The stored outcome of one command."""

    command_id = TextField(primary_key=True)
    aggregate_kind = TextField(constraints=_one_of("orchestration_command_receipts", "aggregate_kind", AggregateKind))
    aggregate_id = TextField()
    accepted_at = TextField()
    result_sequence = IntegerField(
        index=True, constraints=_at_least("orchestration_command_receipts", "result_sequence", 0)
    )
    status = TextField(constraints=_one_of("orchestration_command_receipts", "status", ReceiptStatus))
    error = TextField(null=True)

    class Meta:
        table_name = "orchestration_command_receipts"
        indexes = ((("aggregate_kind", "aggregate_id"), False),)


class CheckpointDiffBlob(_Table):
    """What changed in a thread's workspace from one turn to another."""

    thread_id = TextField()
    from_turn_count = IntegerField(constraints=_at_least("checkpoint_diff_blobs", "from_turn_count", 0))
    to_turn_count = IntegerField(constraints=_at_least("checkpoint_diff_blobs", "to_turn_count", 0))
    diff = TextField()
    created_at = TextField()

    class Meta:
        table_name = "checkpoint_diff_blobs"
        primary_key = False
        indexes = (
            (("thread_id", "from_turn_count", "to_turn_count"), True),
            (("thread_id", "to_turn_count"), False),
        )


class ProviderSessionRuntime(_Table):
    """One life of an agent process."""

    provider_session_id = TextField(primary_key=True)
    thread_id = TextField(index=True)
    provider_name = TextField(index=True)
    adapter_key = TextField()
    provider_thread_id = TextField(null=True)
    status = TextField(index=True, constraints=_one_of("provider_session_runtime", "status", SessionRuntimeStatus))
    last_seen_at = TextField()
    resume_cursor_json = TextField(
        null=True, constraints=_json_or_null("provider_session_runtime", "resume_cursor_json")
    )
    runtime_payload_json = TextField(
        null=True, constraints=_json_or_null("provider_session_runtime", "runtime_payload_json")
    )

    class Meta:
        table_name = "provider_session_runtime"


ProviderSessionRuntime.add_index(
    ProviderSessionRuntime.index(
        ProviderSessionRuntime.thread_id,
        where=ProviderSessionRuntime.status.in_(("starting", "running")),
        name="provider_session_runtime_live",
    )
)


class ProjectionProject(_Table):
    """A project as its readers see it."""

    project_id = TextField(primary_key=True)
    title = TextField()
    workspace_root = TextField()
    default_model = TextField(null=True)
    scripts_json = TextField(constraints=_json("projection_projects", "scripts_json"))
    created_at = TextField()
    updated_at = TextField(index=True)
    deleted_at = TextField(null=True)

    class Meta:
        table_name = "projection_projects"


class ProjectionThread(_Table):
    """A thread as its readers see it."""

    thread_id = TextField(primary_key=True)
    project_id = TextField(index=True)
    title = TextField()
    model = TextField()
    branch = TextField(null=True)
    worktree_path = TextField(null=True)
    latest_turn_id = TextField(null=True)
    created_at = TextField()
    updated_at = TextField()
    deleted_at = TextField(null=True)

    class Meta:
        table_name = "projection_threads"


class ProjectionThreadMessage(_Table):
    """A message of a thread, with the text that has arrived so far."""

    message_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_id = TextField(null=True)
    role = TextField(constraints=_one_of("projection_thread_messages", "role", MessageRole))
    text = TextField()
    is_streaming = IntegerField(
        constraints=_check("projection_thread_messages", "is_streaming", "is_streaming IN (0, 1)")
    )
    created_at = TextField()
    updated_at = TextField()

    class Meta:
        table_name = "projection_thread_messages"
        indexes = ((("thread_id", "created_at"), False),)


ProjectionThreadMessage.add_index(
    ProjectionThreadMessage.index(
        ProjectionThreadMessage.thread_id,
        where=ProjectionThreadMessage.is_streaming == 1,
        name="projection_thread_messages_streaming",
    )
)


class ProjectionThreadActivity(_Table):
    """A line of a thread's history that is not a message."""

    activity_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_id = TextField(null=True)
    tone = TextField(constraints=_one_of("projection_thread_activities", "tone", Tone))
    kind = TextField()
    summary = TextField()
    payload_json = TextField(constraints=_json("projection_thread_activities", "payload_json"))
    created_at = TextField()

    class Meta:
        table_name = "projection_thread_activities"
        indexes = ((("thread_id", "created_at"), False),)


ProjectionThreadActivity.add_index(
    ProjectionThreadActivity.index(
        ProjectionThreadActivity.thread_id,
        where=ProjectionThreadActivity.kind == "turn.failed",
        name="projection_thread_activities_failures",
    )
)
ProjectionThreadActivity.add_index(
    ProjectionThreadActivity.index(
        ProjectionThreadActivity.thread_id,
        where=ProjectionThreadActivity.kind == "usage.updated",
        name="projection_thread_activities_usage",
    )
)


class ProjectionThreadSession(_Table):
    """What a thread's provider session is doing."""

    thread_id = TextField(primary_key=True)
    status = TextField(constraints=_one_of("projection_thread_sessions", "status", SessionStatus))
    provider_name = TextField(null=True)
    provider_session_id = TextField(null=True, index=True)
    provider_thread_id = TextField(null=True)
    active_turn_id = TextField(null=True)
    last_error = TextField(null=True)
    updated_at = TextField()

    class Meta:
        table_name = "projection_thread_sessions"


class ProjectionThreadTurn(_Table):
    """A turn of a thread, from its hand-over to its end."""

    turn_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_count = IntegerField(constraints=_at_least("projection_thread_turns", "turn_count", 0))
    status = TextField(constraints=_one_of("projection_thread_turns", "status", TurnStatus))
    user_message_id = TextField(null=True)
    assistant_message_id = TextField(null=True)
    started_at = TextField()
    completed_at = TextField(null=True)

    class Meta:
        table_name = "projection_thread_turns"
        indexes = ((("thread_id", "turn_count"), True),)


ProjectionThreadTurn.add_index(
    ProjectionThreadTurn.index(
        ProjectionThreadTurn.thread_id,
        where=ProjectionThreadTurn.status == "running",
        name="projection_thread_turns_running",
    )
)


class ProjectionCheckpoint(_Table):
    """The workspace snapshot that a turn ended with."""

    thread_id = TextField()
    turn_id = TextField()
    checkpoint_turn_count = IntegerField(constraints=_at_least("projection_checkpoints", "checkpoint_turn_count", 0))
    checkpoint_ref = TextField()
    status = TextField(constraints=_one_of("projection_checkpoints", "status", CheckpointStatus))
    files_json = TextField(constraints=_json("projection_checkpoints", "files_json"))
    assistant_message_id = TextField(null=True)
    completed_at = TextField()

    class Meta:
        table_name = "projection_checkpoints"
        primary_key = False
        indexes = (
            (("thread_id", "checkpoint_turn_count"), True),
            (("thread_id", "completed_at"), False),
        )


class ProjectionPendingApproval(_Table):
    """An approval request of an agent, and its resolution."""

    request_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_id = TextField(null=True)
    status = TextField(constraints=_one_of("projection_pending_approvals", "status", ApprovalStatus))
    decision = TextField(null=True, constraints=_one_of("projection_pending_approvals", "decision", ApprovalDecision))
    created_at = TextField()
    resolved_at = TextField(null=True)

    class Meta:
        table_name = "projection_pending_approvals"
        indexes = ((("thread_id", "status"), False),)


ProjectionPendingApproval.add_index(
    ProjectionPendingApproval.index(
        ProjectionPendingApproval.thread_id,
        where=ProjectionPendingApproval.status == "pending",
        name="projection_pending_approvals_pending",
    )
)


class ProjectionState(_Table):
    """The position of a projector, or of a reactor."""

    projector = TextField(primary_key=True)
    last_applied_sequence = IntegerField(constraints=_at_least("projection_state", "last_applied_sequence", 0))
    updated_at = TextField()

    class Meta:
        table_name = "projection_state"


ALL_MODELS: Final[tuple[type[peewee.Model], ...]] = (
    OrchestrationEvent,
    CommandReceipt,
    CheckpointDiffBlob,
    ProviderSessionRuntime,
    ProjectionProject,
    ProjectionThread,
    ProjectionThreadMessage,
    ProjectionThreadActivity,
    ProjectionThreadSession,
    ProjectionThreadTurn,
    ProjectionCheckpoint,
    ProjectionPendingApproval,
    ProjectionState,
)
