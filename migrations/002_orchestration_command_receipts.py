"""Receipts: the stored outcome of each command, written in the transaction of its events."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE orchestration_command_receipts (
        command_id TEXT NOT NULL PRIMARY KEY,
        aggregate_kind TEXT NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_aggregate_kind
            CHECK (aggregate_kind IN ('project', 'thread')),
        aggregate_id TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        result_sequence INTEGER NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_result_sequence CHECK (result_sequence >= 0),
        status TEXT NOT NULL
            CONSTRAINT ck_orchestration_command_receipts_status CHECK (status IN ('accepted', 'rejected')),
        error TEXT
    ) STRICT
    """,
    """
    CREATE INDEX orchestration_command_receipts_aggregate_kind_aggregate_id
        ON orchestration_command_receipts (aggregate_kind, aggregate_id)
    """,
    """
    CREATE INDEX orchestration_command_receipts_result_sequence
        ON orchestration_command_receipts (result_sequence)
    """,
)
