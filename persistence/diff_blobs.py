"""Turn diffs. They cannot be replayed from the log, so they are durable before the event that relies on them."""

from __future__ import annotations

from typing import NamedTuple

import peewee

from ..contracts.read_model import TurnDiffRequest


class DiffBlobRow(NamedTuple):
    """A row of `checkpoint_diff_blobs`."""

    thread_id: str
    from_turn_count: int
    to_turn_count: int
    diff: str
    created_at: str


def put_diff(database: peewee.SqliteDatabase, row: DiffBlobRow) -> None:
    """Store a diff, or replace it by the same capture done again."""
    database.execute_sql(
        "INSERT INTO checkpoint_diff_blobs (thread_id, from_turn_count, to_turn_count, diff, created_at)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (thread_id, from_turn_count, to_turn_count)"
        " DO UPDATE SET diff = excluded.diff, created_at = excluded.created_at",
        row,
    )


def drop_diffs_above(database: peewee.SqliteDatabase, thread_id: str, turn_count: int) -> None:
    """Remove the diffs of turns that a revert removes: those that end after `turn_count`."""
    database.execute_sql(
        "DELETE FROM checkpoint_diff_blobs WHERE thread_id = ? AND to_turn_count > ?", (thread_id, turn_count)
    )


def find_diff(database: peewee.SqliteDatabase, request: TurnDiffRequest) -> str | None:
    row = database.execute_sql(
        "SELECT diff FROM checkpoint_diff_blobs WHERE thread_id = ? AND from_turn_count = ? AND to_turn_count = ?",
        (request.thread_id, request.from_turn_count, request.to_turn_count),
    ).fetchone()
    return None if row is None else str(row[0])
