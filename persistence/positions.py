"""Positions: how far each projector and reactor has applied the log. A projector's position is kept beside its rows."""

from __future__ import annotations

from typing import Final, NamedTuple

import peewee

from ..contracts.errors import ProjectionStalled
from ..contracts.values import Instant

REACTOR_PREFIX: Final = "reactor."


class PositionRow(NamedTuple):
    """A row of `projection_state`. `updated_at` is the occurredAt of the event at the position."""

    projector: str
    last_applied_sequence: int
    updated_at: str


def read_positions(database: peewee.SqliteDatabase) -> dict[str, PositionRow]:
    """All positions by name, reactors' included."""
    cursor = database.execute_sql("SELECT projector, last_applied_sequence, updated_at FROM projection_state")
    return {row[0]: PositionRow._make(row) for row in cursor.fetchall()}


def read_position(database: peewee.SqliteDatabase, projector: str) -> PositionRow:
    """A projector's position.

    Raises:
        ProjectionStalled: the row is missing, which is never read as 0.
    """
    row = database.execute_sql(
        "SELECT projector, last_applied_sequence, updated_at FROM projection_state WHERE projector = ?", (projector,)
    ).fetchone()
    if row is None:
        raise ProjectionStalled(projector, None, "its position is missing")
    return PositionRow._make(row)


def write_position(database: peewee.SqliteDatabase, row: PositionRow) -> None:
    """Move a projector's position, in the transaction that wrote its rows.

    Raises:
        ProjectionStalled: the row is missing.
    """
    cursor = database.execute_sql(
        "UPDATE projection_state SET last_applied_sequence = ?, updated_at = ? WHERE projector = ?",
        (row.last_applied_sequence, row.updated_at, row.projector),
    )
    if cursor.rowcount != 1:
        raise ProjectionStalled(row.projector, None, "its position is missing")


def write_reactor_position(database: peewee.SqliteDatabase, reactor: str, sequence: int, now: Instant) -> None:
    """Move a reactor's position; its row is made at the first move."""
    database.execute_sql(
        "INSERT INTO projection_state (projector, last_applied_sequence, updated_at) VALUES (?, ?, ?)"
        " ON CONFLICT (projector) DO UPDATE SET"
        " last_applied_sequence = excluded.last_applied_sequence, updated_at = excluded.updated_at",
        (reactor, sequence, now),
    )
