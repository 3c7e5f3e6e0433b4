"""The log, its receipts and the positions on it, checked by queries alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import peewee

from ...contracts.values import EPOCH
from ..event_store import LogHead
from ..positions import REACTOR_PREFIX, PositionRow, read_positions
from ..projections import PROJECTIONS
from .findings import Finding

_SEQUENCE_GAPS: Final = """
    SELECT previous, sequence
    FROM (SELECT sequence, LAG(sequence, 1, 0) OVER (ORDER BY sequence) AS previous FROM orchestration_events)
    WHERE sequence <> previous + 1
    ORDER BY sequence
"""
_STREAM_GAPS: Final = """
    SELECT aggregate_kind, stream_id, sequence, previous, stream_version
    FROM (
        SELECT aggregate_kind, stream_id, sequence, stream_version,
            LAG(stream_version, 1, 0) OVER (PARTITION BY aggregate_kind, stream_id ORDER BY sequence) AS previous
        FROM orchestration_events
    )
    WHERE stream_version <> previous + 1
    ORDER BY sequence
"""
_RECEIPTS_OF_EVENTS: Final = """
    WITH outcome AS (
        SELECT command_id, MAX(sequence) AS last_sequence, aggregate_kind, stream_id
        FROM orchestration_events WHERE command_id IS NOT NULL GROUP BY command_id
    )
    SELECT receipt.command_id, receipt.status, receipt.error, receipt.result_sequence, receipt.aggregate_kind,
        receipt.aggregate_id, outcome.last_sequence, outcome.aggregate_kind, outcome.stream_id
    FROM orchestration_command_receipts AS receipt LEFT JOIN outcome ON outcome.command_id = receipt.command_id
    ORDER BY receipt.result_sequence, receipt.command_id
"""
_EVENTS_WITHOUT_RECEIPT: Final = """
    SELECT sequence, command_id FROM orchestration_events AS event
    WHERE command_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM orchestration_command_receipts AS receipt WHERE receipt.command_id = event.command_id
    )
    ORDER BY sequence
"""

_ORPHANS: Final = """
    SELECT DISTINCT thread_id FROM {table} AS row WHERE NOT EXISTS (
        SELECT 1 FROM orchestration_events AS event
        WHERE event.aggregate_kind = 'thread' AND event.stream_id = row.thread_id
    )
    ORDER BY thread_id
"""


_CAUSES_THAT_ARE_NONE: Final = """
    SELECT sequence, causation_event_id FROM orchestration_events AS event
    WHERE causation_event_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM orchestration_events AS cause
        WHERE cause.event_id = event.causation_event_id AND cause.sequence < event.sequence
    )
    ORDER BY sequence
"""
_ROOTS_THAT_ARE_NONE: Final = """
    SELECT sequence, correlation_id FROM orchestration_events AS event
    WHERE correlation_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM orchestration_events AS root
        WHERE root.command_id = event.correlation_id AND root.sequence <= event.sequence
    )
    ORDER BY sequence
"""


def check_sequences(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    """Sequences count from 1 without gaps."""
    for previous, sequence in database.execute_sql(_SEQUENCE_GAPS):
        yield Finding(
            check="sequences", where=f"event {sequence}", fault=f"follows {previous}, expected {previous + 1}"
        )


def check_streams(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    """Versions count from 1 without gaps in each stream, in the order of the log."""
    for kind, stream_id, sequence, previous, version in database.execute_sql(_STREAM_GAPS):
        yield Finding(
            check="streams",
            where=f"event {sequence}",
            fault=f"{kind} {stream_id!r} goes from version {previous} to {version}, expected {previous + 1}",
        )


def check_receipts(database: peewee.SqliteDatabase, head: LogHead) -> Iterator[Finding]:
    """Each receipt agrees with its command's events, and each event's command has a receipt."""
    for row in database.execute_sql(_RECEIPTS_OF_EVENTS):
        fault = _receipt_fault(row, head.sequence)
        if fault is not None:
            yield Finding(check="receipts", where=f"receipt of {row[0]!r}", fault=fault)
    for sequence, command_id in database.execute_sql(_EVENTS_WITHOUT_RECEIPT):
        yield Finding(check="receipts", where=f"event {sequence}", fault=f"its command {command_id!r} has no receipt")


def check_orphans(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    """Diffs and provider sessions belong to threads that were created, events to causes and commands before them."""
    for sequence, cause in database.execute_sql(_CAUSES_THAT_ARE_NONE):
        yield Finding(check="orphans", where=f"event {sequence}", fault=f"its cause {cause!r} is no event before it")
    for sequence, root in database.execute_sql(_ROOTS_THAT_ARE_NONE):
        yield Finding(
            check="orphans", where=f"event {sequence}", fault=f"it goes back to command {root!r}, which has no event"
        )
    for table in ("checkpoint_diff_blobs", "provider_session_runtime"):
        for (thread_id,) in database.execute_sql(_ORPHANS.format(table=table)):
            yield Finding(check="orphans", where=table, fault=f"thread {thread_id!r} was never created")


def check_positions(database: peewee.SqliteDatabase, head: LogHead) -> Iterator[Finding]:
    """Every projector has a position, none is beyond the head, and each has the date of the event at its position."""
    positions = read_positions(database)
    known = {projection.name for projection in PROJECTIONS}
    for name in sorted(known - positions.keys()):
        yield Finding(check="positions", where=name, fault="its position is missing", projector=name)
    for name, row in sorted(positions.items()):
        fault = _position_fault(database, row, head)
        if name not in known and not name.startswith(REACTOR_PREFIX):
            fault = "there is no projector of this name"
        if fault is not None:
            yield Finding(check="positions", where=name, fault=fault, projector=name if name in known else None)


def _receipt_fault(row: Any, head: int) -> str | None:
    _, status, error, result, kind, aggregate_id, last, event_kind, stream_id = row
    if status == "rejected":
        if last is not None:
            return f"it is rejected, but the command has event {last}"
        if error is None:
            return "it is rejected and gives no reason"
        return f"its head {result} is beyond the log's head {head}" if result > head else None
    if last is None:
        return f"it is accepted with sequence {result}, but the command has no event"
    if last != result:
        return f"it has sequence {result}, but the command's last event is {last}"
    if (kind, aggregate_id) != (event_kind, stream_id):
        return f"it names {kind} {aggregate_id!r}, but the command's events are of {event_kind} {stream_id!r}"
    return None


def _position_fault(database: peewee.SqliteDatabase, row: PositionRow, head: LogHead) -> str | None:
    position = row.last_applied_sequence
    if position > head.sequence:
        return f"is at {position}, beyond the log's head {head.sequence}"
    if row.projector.startswith(REACTOR_PREFIX):
        return None
    event = database.execute_sql(
        "SELECT occurred_at FROM orchestration_events WHERE sequence = ?", (position,)
    ).fetchone()
    expected = EPOCH if position == 0 else None if event is None else event[0]
    if expected is None:
        return f"is at {position}, which is no event"
    return None if row.updated_at == expected else f"is dated {row.updated_at}, event {position} {expected}"
