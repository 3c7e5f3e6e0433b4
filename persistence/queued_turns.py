"""The turns that wait: the open turn starts of the log at a sequence, in the order in which they will run."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from pathlib import Path

import peewee

from ..contracts.errors import DatabaseCorrupt
from ..contracts.events import PersistedEvent, ThreadTurnStartRequested
from ..contracts.ids import ThreadId
from ..contracts.read_model import QueuedTurnView
from ..domain.evolve import ordered_queue
from .event_store import read_open_turn_starts, read_queue_orders
from .failures import translated

__all__ = ["read_queued_turns"]


def read_queued_turns(
    database: peewee.SqliteDatabase, thread_id: ThreadId | None, *, up_to: int
) -> dict[str, tuple[QueuedTurnView, ...]]:
    """The waiting turns of a thread, or of all, by their threads' ids, as they were after the event `up_to`.

    One query through a partial index, and one more for the orders of all threads in which several turns wait. Those of
    deleted threads are among them. Where the disk has damaged the log no turn can be found: the rows are served
    without a queue, and `verify` reports the damage.
    """
    try:
        return _read_queued_turns(database, thread_id, up_to=up_to)
    except (peewee.DatabaseError, sqlite3.DatabaseError) as error:
        if isinstance(translated(error, Path(database.database)), DatabaseCorrupt):
            return {}
        raise


def _read_queued_turns(
    database: peewee.SqliteDatabase, thread_id: ThreadId | None, *, up_to: int
) -> dict[str, tuple[QueuedTurnView, ...]]:
    waiting: dict[str, list[QueuedTurnView]] = defaultdict(list)
    for event in read_open_turn_starts(database, thread_id, up_to=up_to):
        waiting[event.stream_id].append(_queued_turn(event))
    several = [ThreadId(one) for one, turns in waiting.items() if len(turns) > 1]
    orders = read_queue_orders(database, several, up_to=up_to) if several else {}
    queues = {}
    for one, turns in waiting.items():
        by_id = {turn.turn_id: turn for turn in turns}
        queues[one] = tuple(by_id[turn_id] for turn_id in ordered_queue(tuple(by_id), orders.get(one, ())))
    return queues


def _queued_turn(event: PersistedEvent) -> QueuedTurnView:
    assert isinstance(event.payload, ThreadTurnStartRequested)
    return QueuedTurnView(
        turn_id=event.payload.turn_id,
        message_id=event.payload.message_id,
        requested_at=event.payload.created_at,
        event_id=event.event_id,
    )
