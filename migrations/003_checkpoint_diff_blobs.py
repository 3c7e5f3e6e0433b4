"""Diffs between two turns of a thread. They cannot be replayed from the log."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE checkpoint_diff_blobs (
        thread_id TEXT NOT NULL,
        from_turn_count INTEGER NOT NULL
            CONSTRAINT ck_checkpoint_diff_blobs_from_turn_count CHECK (from_turn_count >= 0),
        to_turn_count INTEGER NOT NULL
            CONSTRAINT ck_checkpoint_diff_blobs_to_turn_count CHECK (to_turn_count >= 0),
        diff TEXT NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX checkpoint_diff_blobs_thread_id_from_turn_count_to_turn_count
        ON checkpoint_diff_blobs (thread_id, from_turn_count, to_turn_count)
    """,
    """
    CREATE INDEX checkpoint_diff_blobs_thread_id_to_turn_count
        ON checkpoint_diff_blobs (thread_id, to_turn_count)
    """,
)
