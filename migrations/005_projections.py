"""The read model: eight tables, one a projector, and the position of each.

Rows keep their rowid: the order in which they arrived is the order in which they are read.
"""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE projection_projects (
        project_id TEXT NOT NULL PRIMARY KEY,
        title TEXT NOT NULL,
        workspace_root TEXT NOT NULL,
        default_model TEXT,
        scripts_json TEXT NOT NULL
            CONSTRAINT ck_projection_projects_scripts_json CHECK (json_valid(scripts_json)),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    ) STRICT
    """,
    """
    CREATE INDEX projection_projects_updated_at ON projection_projects (updated_at)
    """,
    """
    CREATE TABLE projection_threads (
        thread_id TEXT NOT NULL PRIMARY KEY,
        project_id TEXT NOT NULL,
        title TEXT NOT NULL,
        model TEXT NOT NULL,
        branch TEXT,
        worktree_path TEXT,
        latest_turn_id TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        deleted_at TEXT
    ) STRICT
    """,
    """
    CREATE INDEX projection_threads_project_id ON projection_threads (project_id)
    """,
    """
    CREATE TABLE projection_thread_messages (
        message_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        role TEXT NOT NULL
            CONSTRAINT ck_projection_thread_messages_role CHECK (role IN ('user', 'assistant', 'system')),
        text TEXT NOT NULL,
        is_streaming INTEGER NOT NULL
            CONSTRAINT ck_projection_thread_messages_is_streaming CHECK (is_streaming IN (0, 1)),
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX projection_thread_messages_thread_id_created_at
        ON projection_thread_messages (thread_id, created_at)
    """,
    """
    CREATE INDEX projection_thread_messages_streaming ON projection_thread_messages (thread_id)
        WHERE (is_streaming = 1)
    """,
    """
    CREATE TABLE projection_thread_activities (
        activity_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        tone TEXT NOT NULL
            CONSTRAINT ck_projection_thread_activities_tone
            CHECK (tone IN ('info', 'tool', 'approval', 'error')),
        kind TEXT NOT NULL,
        summary TEXT NOT NULL,
        payload_json TEXT NOT NULL
            CONSTRAINT ck_projection_thread_activities_payload_json CHECK (json_valid(payload_json)),
        created_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX projection_thread_activities_thread_id_created_at
        ON projection_thread_activities (thread_id, created_at)
    """,
    """
    CREATE TABLE projection_thread_sessions (
        thread_id TEXT NOT NULL PRIMARY KEY,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_thread_sessions_status
            CHECK (status IN ('idle', 'starting', 'running', 'ready', 'interrupted', 'stopped', 'error')),
        provider_name TEXT,
        provider_session_id TEXT,
        provider_thread_id TEXT,
        active_turn_id TEXT,
        last_error TEXT,
        updated_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX projection_thread_sessions_provider_session_id
        ON projection_thread_sessions (provider_session_id)
    """,
    """
    CREATE TABLE projection_thread_turns (
        turn_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_count INTEGER NOT NULL
            CONSTRAINT ck_projection_thread_turns_turn_count CHECK (turn_count >= 0),
        status TEXT NOT NULL
            CONSTRAINT ck_projection_thread_turns_status
            CHECK (status IN ('running', 'completed', 'interrupted', 'error')),
        user_message_id TEXT,
        assistant_message_id TEXT,
        started_at TEXT NOT NULL,
        completed_at TEXT
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX projection_thread_turns_thread_id_turn_count
        ON projection_thread_turns (thread_id, turn_count)
    """,
    """
    CREATE INDEX projection_thread_turns_running ON projection_thread_turns (thread_id)
        WHERE (status = 'running')
    """,
    """
    CREATE TABLE projection_checkpoints (
        thread_id TEXT NOT NULL,
        turn_id TEXT NOT NULL,
        checkpoint_turn_count INTEGER NOT NULL
            CONSTRAINT ck_projection_checkpoints_checkpoint_turn_count CHECK (checkpoint_turn_count >= 0),
        checkpoint_ref TEXT NOT NULL,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_checkpoints_status CHECK (status IN ('ready', 'missing', 'error')),
        files_json TEXT NOT NULL
            CONSTRAINT ck_projection_checkpoints_files_json CHECK (json_valid(files_json)),
        assistant_message_id TEXT,
        completed_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX projection_checkpoints_thread_id_checkpoint_turn_count
        ON projection_checkpoints (thread_id, checkpoint_turn_count)
    """,
    """
    CREATE INDEX projection_checkpoints_thread_id_completed_at
        ON projection_checkpoints (thread_id, completed_at)
    """,
    """
    CREATE TABLE projection_pending_approvals (
        request_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        turn_id TEXT,
        status TEXT NOT NULL
            CONSTRAINT ck_projection_pending_approvals_status CHECK (status IN ('pending', 'resolved')),
        decision TEXT
            CONSTRAINT ck_projection_pending_approvals_decision
            CHECK (decision IN ('accept', 'acceptForSession', 'decline', 'cancel')),
        created_at TEXT NOT NULL,
        resolved_at TEXT
    ) STRICT
    """,
    """
    CREATE INDEX projection_pending_approvals_thread_id_status
        ON projection_pending_approvals (thread_id, status)
    """,
    """
    CREATE INDEX projection_pending_approvals_pending ON projection_pending_approvals (thread_id)
        WHERE (status = 'pending')
    """,
    """
    CREATE TABLE projection_state (
        projector TEXT NOT NULL PRIMARY KEY,
        last_applied_sequence INTEGER NOT NULL
            CONSTRAINT ck_projection_state_last_applied_sequence CHECK (last_applied_sequence >= 0),
        updated_at TEXT NOT NULL
    ) STRICT
    """,
    """
    INSERT INTO projection_state (projector, last_applied_sequence, updated_at) VALUES
        ('projection.projects', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.threads', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.thread-messages', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.thread-activities', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.thread-sessions', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.thread-turns', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.checkpoints', 0, '1970-01-01T00:00:00.000Z'),
        ('projection.pending-approvals', 0, '1970-01-01T00:00:00.000Z')
    """,
)
