"""The thirteen tables as Peewee models: the names, types and order of the columns, for queries.

The migrations have the rest: CHECKs, indexes and STRICT. `tests/migration/test_schema.py` compares the columns. No
model has its own database. A query names the connection that runs it, `query.bind(database)` or `execute(database)`,
because one connection writes and each reader has its own.
"""

from __future__ import annotations

from typing import Final

import peewee
from peewee import IntegerField, TextField


class _Table(peewee.Model):
    class Meta:
        legacy_table_names = False


class OrchestrationEvent(_Table):
    """One event of the log."""

    sequence = IntegerField(primary_key=True)
    event_id = TextField()
    aggregate_kind = TextField()
    stream_id = TextField()
    stream_version = IntegerField()
    event_type = TextField()
    occurred_at = TextField()
    command_id = TextField(null=True)
    causation_event_id = TextField(null=True)
    correlation_id = TextField(null=True)
    actor_kind = TextField()
    payload_json = TextField()
    metadata_json = TextField()

    class Meta:
        table_name = "orchestration_events"


class CommandReceipt(_Table):
    """The stored outcome of one command."""

    command_id = TextField(primary_key=True)
    aggregate_kind = TextField()
    aggregate_id = TextField()
    accepted_at = TextField()
    result_sequence = IntegerField()
    status = TextField()
    error = TextField(null=True)

    class Meta:
        table_name = "orchestration_command_receipts"


class CheckpointDiffBlob(_Table):
    """What changed in a thread's workspace from one turn to another."""

    thread_id = TextField()
    from_turn_count = IntegerField()
    to_turn_count = IntegerField()
    diff = TextField()
    created_at = TextField()

    class Meta:
        table_name = "checkpoint_diff_blobs"
        primary_key = False


class ProviderSessionRuntime(_Table):
    """One life of an agent process."""

    provider_session_id = TextField(primary_key=True)
    thread_id = TextField()
    provider_name = TextField()
    adapter_key = TextField()
    provider_thread_id = TextField(null=True)
    status = TextField()
    last_seen_at = TextField()
    resume_cursor_json = TextField(null=True)
    runtime_payload_json = TextField(null=True)

    class Meta:
        table_name = "provider_session_runtime"


class ProjectionProject(_Table):
    """A project as its readers see it."""

    project_id = TextField(primary_key=True)
    title = TextField()
    workspace_root = TextField()
    default_model = TextField(null=True)
    scripts_json = TextField()
    created_at = TextField()
    updated_at = TextField()
    deleted_at = TextField(null=True)

    class Meta:
        table_name = "projection_projects"


class ProjectionThread(_Table):
    """A thread as its readers see it."""

    thread_id = TextField(primary_key=True)
    project_id = TextField()
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
    role = TextField()
    text = TextField()
    is_streaming = IntegerField()
    created_at = TextField()
    updated_at = TextField()

    class Meta:
        table_name = "projection_thread_messages"


class ProjectionThreadActivity(_Table):
    """A line of a thread's history that is not a message."""

    activity_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_id = TextField(null=True)
    tone = TextField()
    kind = TextField()
    summary = TextField()
    payload_json = TextField()
    created_at = TextField()

    class Meta:
        table_name = "projection_thread_activities"


class ProjectionThreadSession(_Table):
    """What a thread's provider session is doing."""

    thread_id = TextField(primary_key=True)
    status = TextField()
    provider_name = TextField(null=True)
    provider_session_id = TextField(null=True)
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
    turn_count = IntegerField()
    status = TextField()
    user_message_id = TextField(null=True)
    assistant_message_id = TextField(null=True)
    started_at = TextField()
    completed_at = TextField(null=True)

    class Meta:
        table_name = "projection_thread_turns"


class ProjectionCheckpoint(_Table):
    """The workspace snapshot that a turn ended with."""

    thread_id = TextField()
    turn_id = TextField()
    checkpoint_turn_count = IntegerField()
    checkpoint_ref = TextField()
    status = TextField()
    files_json = TextField()
    assistant_message_id = TextField(null=True)
    completed_at = TextField()

    class Meta:
        table_name = "projection_checkpoints"
        primary_key = False


class ProjectionPendingApproval(_Table):
    """An approval request of an agent, and its resolution."""

    request_id = TextField(primary_key=True)
    thread_id = TextField()
    turn_id = TextField(null=True)
    status = TextField()
    decision = TextField(null=True)
    created_at = TextField()
    resolved_at = TextField(null=True)

    class Meta:
        table_name = "projection_pending_approvals"


class ProjectionState(_Table):
    """The position of a projector, or of a reactor."""

    projector = TextField(primary_key=True)
    last_applied_sequence = IntegerField()
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
