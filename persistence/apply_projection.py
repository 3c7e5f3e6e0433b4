"""How a projector applies a batch on the write lane: rows and position in one transaction."""

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
"""Brings rebuilt rows up to a sequence, and swaps them in with the writing connection."""


def handled_events(projection: Projection, batch: Sequence[LoggedEvent]) -> list[PersistedEvent]:
    """The events of a batch that concern a projection."""
    handles = projection.handles
    return [event for event in batch if event.event_type in handles and isinstance(event, PersistedEvent)]


def apply_events(projection: Projection, events: Sequence[PersistedEvent], position: PositionRow) -> Job[None]:
    """Apply events to the rows and write the position, in the caller's transaction."""

    def write(database: peewee.SqliteDatabase) -> None:
        projection.apply(database, events)
        crash_point("projector.rows-written")
        write_position(database, position)
        crash_point("projector.position-written")

    return write


def apply_if_missing(projection: Projection, events: Sequence[PersistedEvent], position: PositionRow) -> Job[None]:
    """Do the same in a separate transaction, unless the stored position shows that an earlier commit took place."""
    write, is_there = apply_events(projection, events, position), is_at_position(position)

    def write_if_missing(database: peewee.SqliteDatabase) -> None:
        reopen(database)
        if not is_there(database):
            with write_transaction(database, durability="normal"):
                write(database)

    return write_if_missing


def is_at_position(position: PositionRow) -> Job[bool]:
    """Whether a projector's stored position is this one, or past it."""

    def look(database: peewee.SqliteDatabase) -> bool:
        stored = read_position(database, position.projector)
        return stored.last_applied_sequence >= position.last_applied_sequence

    return look


def swap_rows(swap: Swap, name: str, up_to: int, found: Callable[[PositionRow], None]) -> Job[None]:
    """Swap in rebuilt rows up to a sequence, and pass their position to `found`."""

    def swap_and_read(database: peewee.SqliteDatabase) -> None:
        swap(database, up_to)
        found(read_position(database, name))

    return swap_and_read


def find_position(name: str, found: Callable[[PositionRow], None]) -> Job[None]:
    """Reopen the connection, and pass the stored position to `found`."""

    def look(database: peewee.SqliteDatabase) -> None:
        reopen(database)
        found(read_position(database, name))

    return look
