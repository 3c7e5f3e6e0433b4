"""The log: one row an event, in the order of `sequence`, never changed."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE orchestration_events (
        sequence INTEGER NOT NULL PRIMARY KEY
            CONSTRAINT ck_orchestration_events_sequence CHECK (sequence >= 1),
        event_id TEXT NOT NULL,
        aggregate_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_aggregate_kind CHECK (aggregate_kind IN ('project', 'thread')),
        stream_id TEXT NOT NULL,
        stream_version INTEGER NOT NULL
            CONSTRAINT ck_orchestration_events_stream_version CHECK (stream_version >= 1),
        event_type TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        command_id TEXT,
        causation_event_id TEXT,
        correlation_id TEXT,
        actor_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_actor_kind
            CHECK (actor_kind IN ('client', 'server', 'provider')),
        payload_json TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_payload_json CHECK (json_valid(payload_json)),
        metadata_json TEXT NOT NULL
            CONSTRAINT ck_orchestration_events_metadata_json CHECK (json_valid(metadata_json))
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX orchestration_events_event_id ON orchestration_events (event_id)
    """,
    """
    CREATE UNIQUE INDEX orchestration_events_aggregate_kind_stream_id_stream_version
        ON orchestration_events (aggregate_kind, stream_id, stream_version)
    """,
    """
    CREATE INDEX orchestration_events_aggregate_kind_stream_id_sequence
        ON orchestration_events (aggregate_kind, stream_id, sequence)
    """,
    """
    CREATE INDEX orchestration_events_command_id ON orchestration_events (command_id)
    """,
    """
    CREATE INDEX orchestration_events_correlation_id ON orchestration_events (correlation_id)
    """,
    """
    CREATE INDEX orchestration_events_intents ON orchestration_events (sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested'
        ))
    """,
    """
    CREATE INDEX orchestration_events_thread_intents ON orchestration_events (stream_id, sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested'
        ))
    """,
    """
    CREATE INDEX orchestration_events_caused ON orchestration_events (causation_event_id)
        WHERE (causation_event_id IS NOT NULL)
    """,
)
