"""What a projector takes from a batch, and has done on the write lane: rows and position in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import peewee

from ..contracts.events import LoggedEvent, PersistedEvent
from .crash_points import crash_point
from .database import reopen, write_transaction
from .lane import Job
from .positions import PositionRow, read_position, write_position
from .projections import Projection

Swap: TypeAlias = Callable[[peewee.SqliteDatabase, int], None]
"""Brings rows that were made anew up to a sequence, and swaps them in with the writing connection."""


def handled_by(projection: Projection, batch: Sequence[LoggedEvent]) -> list[PersistedEvent]:
    """The events of a batch that concern a projection."""
    handles = projection.handles
    return [event for event in batch if event.event_type in handles and isinstance(event, PersistedEvent)]


def bring_rows(projection: Projection, events: Sequence[PersistedEvent], position: PositionRow) -> Job[None]:
    """Bring the rows past these events, and the position to `position`, in the caller's transaction."""

    def write(database: peewee.SqliteDatabase) -> None:
        projection.apply(database, events)
        crash_point("projector.rows-written")
        write_position(database, position)
        crash_point("projector.position-written")

    return write


def bring_rows_unless_brought(
    projection: Projection, events: Sequence[PersistedEvent], position: PositionRow
) -> Job[None]:
    """The same in a transaction of its own, after a commit of unknown outcome: the stored position tells whether that
    took place."""
    write, is_there = bring_rows(projection, events, position), stands_at(position)

    def write_unless_written(database: peewee.SqliteDatabase) -> None:
        reopen(database)
        if not is_there(database):
            with write_transaction(database, durability="normal"):
                write(database)

    return write_unless_written


def stands_at(position: PositionRow) -> Job[bool]:
    """Whether a projector's stored position is this one, or past it."""

    def look(database: peewee.SqliteDatabase) -> bool:
        stored = read_position(database, position.projector)
        return stored.last_applied_sequence >= position.last_applied_sequence

    return look


def take_rows(swap: Swap, name: str, up_to: int, found: Callable[[PositionRow], None]) -> Job[None]:
    """Swap in rows that were made anew, brought up to a sequence, and tell the position that came with them."""

    def take(database: peewee.SqliteDatabase) -> None:
        swap(database, up_to)
        found(read_position(database, name))

    return take


def look_up(name: str, found: Callable[[PositionRow], None]) -> Job[None]:
    """Open the connection again, and tell the position that is stored."""

    def look(database: peewee.SqliteDatabase) -> None:
        reopen(database)
        found(read_position(database, name))

    return look
