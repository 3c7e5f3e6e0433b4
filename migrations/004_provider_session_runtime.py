"""One row a life of an agent process: what is needed to find it, end it and resume it."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE provider_session_runtime (
        provider_session_id TEXT NOT NULL PRIMARY KEY,
        thread_id TEXT NOT NULL,
        provider_name TEXT NOT NULL,
        adapter_key TEXT NOT NULL,
        provider_thread_id TEXT,
        status TEXT NOT NULL
            CONSTRAINT ck_provider_session_runtime_status
            CHECK (status IN ('starting', 'running', 'stopped', 'error')),
        last_seen_at TEXT NOT NULL,
        resume_cursor_json TEXT
            CONSTRAINT ck_provider_session_runtime_resume_cursor_json
            CHECK (resume_cursor_json IS NULL OR json_valid(resume_cursor_json)),
        runtime_payload_json TEXT
            CONSTRAINT ck_provider_session_runtime_runtime_payload_json
            CHECK (runtime_payload_json IS NULL OR json_valid(runtime_payload_json))
    ) STRICT
    """,
    """
    CREATE INDEX provider_session_runtime_thread_id ON provider_session_runtime (thread_id)
    """,
    """
    CREATE INDEX provider_session_runtime_status ON provider_session_runtime (status)
    """,
    """
    CREATE INDEX provider_session_runtime_provider_name ON provider_session_runtime (provider_name)
    """,
    """
    CREATE INDEX provider_session_runtime_live ON provider_session_runtime (thread_id)
        WHERE (status IN ('starting', 'running'))
    """,
)
