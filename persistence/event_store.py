"""The log: appended by the dispatcher alone, read in order of sequence by everyone.

Appending is part of the caller's transaction. Reading is paged by the caller and has no limit of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

import attrs
import orjson
import peewee

from ..contracts.event_codec import EventRow, decode_event
from ..contracts.events import (
    INTENT_TYPES,
    LoggedEvent,
    PersistedEvent,
    ThreadQueueUpdated,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from ..contracts.ids import CommandId, EventId, ThreadId, TurnId
from ..contracts.values import EPOCH, AggregateKind, Instant

_COLUMNS: Final = ", ".join(EventRow._fields)
_INSERT: Final = f"INSERT INTO orchestration_events ({_COLUMNS}) VALUES ({', '.join('?' for _ in EventRow._fields)})"
_STEERING_MIGRATION: Final = 9
_STEERING: Final = f"'{ThreadTurnSteerRequested.event_type}'"
_INTENTS: Final = ", ".join(f"'{event_type}'" for event_type in INTENT_TYPES)
_INTENTS_BEFORE_STEERING: Final = _INTENTS.replace(f", {_STEERING}", "")


_LAST_SEQUENCE: Final = 2**63 - 1

PAGE_BYTES: Final = 8 * 1024 * 1024
"""After so much payload a page ends, so that reading a log of large events takes no more memory than this and one."""


class StreamPosition(NamedTuple):
    """The last event of a stream; zeros for a stream without events."""

    version: int
    sequence: int


class LogHead(NamedTuple):
    """The last event of the log; 0 and the epoch for an empty one."""

    sequence: int
    occurred_at: Instant


@attrs.frozen(kw_only=True)
class EventPage:
    """A request for events after a sequence, oldest first, of one thread or of all streams.

    The answer has at most `limit` events and is cut after `PAGE_BYTES` of payload: it may be short before the end, and
    is empty only at the end.
    """

    after: int
    limit: int
    up_to: int | None = None
    thread_id: ThreadId | None = None


@attrs.frozen(kw_only=True)
class ReadPage:
    """The events of a page, and whether the log had more of what was asked for behind them."""

    events: list[LoggedEvent]
    has_more: bool


@attrs.frozen(kw_only=True)
class StreamRequest:
    aggregate_kind: AggregateKind
    stream_id: str


def append_events(database: peewee.SqliteDatabase, rows: Sequence[EventRow]) -> None:
    """Write encoded events in the caller's transaction. Their sequences were assigned by the dispatcher.

    Raises:
        sqlite3.IntegrityError: another writer used a sequence or a stream version.
    """
    database.connection().executemany(_INSERT, rows)


def read_events(database: peewee.SqliteDatabase, page: EventPage) -> list[LoggedEvent]:
    """The events of a page, decoded; rows that do not decode come as `UndecodableEvent`."""
    return [decode_event(row) for row in read_rows(database, page)]


def read_page(database: peewee.SqliteDatabase, page: EventPage) -> ReadPage:
    """The events of a page, decoded, and whether more follow up to its `up_to`, which the log has reached."""
    events = read_events(database, page)
    if not events:
        return ReadPage(events=events, has_more=False)
    if page.thread_id is None and page.up_to is not None:  # sequences have no gaps
        return ReadPage(events=events, has_more=events[-1].sequence < page.up_to)
    rest = attrs.evolve(page, after=events[-1].sequence)
    source, arguments = _source(rest)
    found = database.execute_sql(f"SELECT 1 {source} LIMIT 1", arguments).fetchone()
    return ReadPage(events=events, has_more=found is not None)


def read_rows(database: peewee.SqliteDatabase, page: EventPage) -> list[EventRow]:
    """The raw rows of a page: all that it asks for, or as many as `PAGE_BYTES` allow."""
    source, arguments = _source(page)
    cursor = database.execute_sql(f"SELECT {_COLUMNS} {source} ORDER BY sequence LIMIT ?", (*arguments, page.limit))
    rows: list[EventRow] = []
    size = 0
    with closing(cursor):
        for row in map(EventRow._make, cursor):
            rows.append(row)
            size += len(row.payload_json)
            if size >= PAGE_BYTES:
                break
    return rows


def _source(page: EventPage) -> tuple[str, tuple[Any, ...]]:
    """Where a page's rows are found. A thread's are by the index of its stream: the planner would walk the log."""
    clauses, arguments = ["sequence > ?"], [page.after]
    if page.up_to is not None:
        clauses.append("sequence <= ?")
        arguments.append(page.up_to)
    if page.thread_id is None:
        return f"FROM orchestration_events WHERE {' AND '.join(clauses)}", tuple(arguments)
    return (
        "FROM orchestration_events INDEXED BY orchestration_events_aggregate_kind_stream_id_sequence"
        f" WHERE aggregate_kind = 'thread' AND stream_id = ? AND {' AND '.join(clauses)}"
    ), (page.thread_id, *arguments)


def read_head(database: peewee.SqliteDatabase) -> LogHead:
    row = database.execute_sql(
        "SELECT sequence, occurred_at FROM orchestration_events ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return LogHead(0, EPOCH) if row is None else LogHead._make(row)


def read_stream_position(database: peewee.SqliteDatabase, request: StreamRequest) -> StreamPosition:
    row = database.execute_sql(
        "SELECT stream_version, sequence FROM orchestration_events"
        " WHERE aggregate_kind = ? AND stream_id = ? ORDER BY stream_version DESC LIMIT 1",
        (request.aggregate_kind, request.stream_id),
    ).fetchone()
    return StreamPosition(0, 0) if row is None else StreamPosition._make(row)


def read_events_of_command(database: peewee.SqliteDatabase, command_id: CommandId) -> list[LoggedEvent]:
    """The events that a command led to, in order."""
    rows = database.execute_sql(
        f"SELECT {_COLUMNS} FROM orchestration_events WHERE command_id = ? ORDER BY sequence", (command_id,)
    ).fetchall()
    return [decode_event(EventRow._make(row)) for row in rows]


def _intents(database: peewee.SqliteDatabase) -> str:
    """The types that the indexes of intents cover. The log of an older schema has no others."""
    return _INTENTS if _has_steering(database) else _INTENTS_BEFORE_STEERING


def _has_steering(database: peewee.SqliteDatabase) -> bool:
    """Whether the schema has steering requests, orders of waiting turns, and their indexes."""
    found = database.execute_sql("SELECT 1 FROM orchestrion_migrations WHERE version = ?", (_STEERING_MIGRATION,))
    return found.fetchone() is not None


def read_open_intents_of(database: peewee.SqliteDatabase, thread_id: ThreadId) -> list[LoggedEvent]:
    """The intents of a thread that no event names as its cause, oldest first."""
    cursor = database.execute_sql(
        f"SELECT {_COLUMNS} FROM orchestration_events AS intent INDEXED BY orchestration_events_thread_intents"
        f" WHERE stream_id = ? AND event_type IN ({_intents(database)})"
        f" AND {_UNSETTLED} ORDER BY sequence",
        (thread_id,),
    )
    return [decode_event(EventRow._make(row)) for row in cursor.fetchall()]


def read_open_turn_starts(
    database: peewee.SqliteDatabase, thread_id: ThreadId | None, *, up_to: int
) -> list[PersistedEvent]:
    """The turn starts, of a thread or of all, that were open after the event `up_to`, oldest first."""
    index, only = "orchestration_events_intents", ""
    if thread_id is not None:
        index, only = "orchestration_events_thread_intents", " AND stream_id = ?"
    cursor = database.execute_sql(
        f"SELECT {_COLUMNS} FROM orchestration_events AS intent INDEXED BY {index}"
        f" WHERE event_type IN ({_intents(database)}) AND event_type = '{ThreadTurnStartRequested.event_type}'"
        f"{only} AND sequence <= ? AND {_UNSETTLED_THEN} ORDER BY sequence",
        (up_to, up_to) if thread_id is None else (thread_id, up_to, up_to),
    )
    found = [decode_event(EventRow._make(row)) for row in cursor.fetchall()]
    return [event for event in found if isinstance(event, PersistedEvent)]


def read_queue_order(database: peewee.SqliteDatabase, thread_id: ThreadId) -> tuple[TurnId, ...]:
    """The order that the thread's waiting turns were last given; empty if none was."""
    return read_queue_orders(database, [thread_id]).get(thread_id, ())


def read_queue_orders(
    database: peewee.SqliteDatabase, thread_ids: Sequence[ThreadId], *, up_to: int = _LAST_SEQUENCE
) -> dict[str, tuple[TurnId, ...]]:
    """The orders that the threads' waiting turns were last given, up to the event `up_to`, by the threads' ids."""
    if not _has_steering(database):
        return {}
    cursor = database.execute_sql(
        f"SELECT {_COLUMNS} FROM json_each(?) CROSS JOIN orchestration_events ON sequence ="
        " (SELECT MAX(sequence) FROM orchestration_events INDEXED BY orchestration_events_queue_orders"
        f" WHERE event_type = '{ThreadQueueUpdated.event_type}' AND stream_id = json_each.value AND sequence <= ?)",
        (orjson.dumps(thread_ids).decode(), up_to),
    )
    events = [decode_event(EventRow._make(row)) for row in cursor.fetchall()]
    return {
        event.stream_id: event.payload.turn_ids
        for event in events
        if isinstance(event, PersistedEvent) and isinstance(event.payload, ThreadQueueUpdated)
    }


def read_intents_of(database: peewee.SqliteDatabase, thread_id: ThreadId) -> list[tuple[EventId, str, TurnId | None]]:
    """Every intent that a thread ever had: its event's id and type, and the turn that its payload names."""
    rows = database.execute_sql(
        "SELECT event_id, event_type, json_extract(payload_json, '$.turnId')"
        " FROM orchestration_events INDEXED BY orchestration_events_thread_intents"
        f" WHERE stream_id = ? AND event_type IN ({_intents(database)})",
        (thread_id,),
    ).fetchall()
    return [(EventId(event_id), event_type, turn_id) for event_id, event_type, turn_id in rows]


def read_open_intents(database: peewee.SqliteDatabase, *, after: int) -> list[LoggedEvent]:
    """The open intents of all threads that live, oldest first, from a reactor's position on."""
    cursor = database.execute_sql(
        f"SELECT {_COLUMNS} FROM orchestration_events AS intent INDEXED BY orchestration_events_intents"
        f" WHERE sequence > ? AND event_type IN ({_intents(database)}) AND {_UNSETTLED}"
        " AND NOT EXISTS (SELECT 1 FROM projection_threads AS thread"
        " WHERE thread.thread_id = intent.stream_id AND thread.deleted_at IS NOT NULL)"
        " ORDER BY sequence",
        (after,),
    )
    return [decode_event(EventRow._make(row)) for row in cursor.fetchall()]


def is_intent_settled(database: peewee.SqliteDatabase, event_id: EventId) -> bool:
    """Whether some event names this one as its cause."""
    return (
        database.execute_sql(
            "SELECT 1 FROM orchestration_events WHERE causation_event_id = ? LIMIT 1", (event_id,)
        ).fetchone()
        is not None
    )


_UNSETTLED: Final = (
    "NOT EXISTS (SELECT 1 FROM orchestration_events AS outcome WHERE outcome.causation_event_id = intent.event_id)"
)
_UNSETTLED_THEN: Final = f"{_UNSETTLED.removesuffix(')')} AND outcome.sequence <= ?)"


def read_event(database: peewee.SqliteDatabase, event_id: EventId) -> LoggedEvent | None:
    """The event of this id."""
    row = database.execute_sql(
        f"SELECT {_COLUMNS} FROM orchestration_events WHERE event_id = ?", (event_id,)
    ).fetchone()
    return None if row is None else decode_event(EventRow._make(row))
