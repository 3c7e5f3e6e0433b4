"""The file of a database after a clean stop or a crash: its log, receipts and rows are compared with what is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import peewee

from orchestrion.contracts.events import LoggedEvent, PersistedEvent
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.event_store import EventPage, read_events
from orchestrion.persistence.positions import read_positions
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.receipts import ReceiptRow
from orchestrion.persistence.verify import verify_database
from tests.support.builders import at
from tests.support.interleaving.journal import Journal
from tests.support.projection_oracle import fold
from tests.support.projection_scenarios import rows_of

_RECEIPTS: Final = (
    "SELECT command_id, aggregate_kind, aggregate_id, accepted_at, result_sequence, status, error"
    " FROM orchestration_command_receipts"
)


def check_at_rest(
    path: Path, journal: Journal, *, known: Sequence[LoggedEvent]
) -> tuple[list[LoggedEvent], dict[str, int]]:
    """Check everything that can be checked on the file; return its log and the positions of its projectors."""
    database = open_reader(path)
    try:
        log = read_events(database, EventPage(after=0, limit=1_000_000))
        assert log[: len(known)] == list(known), "what was read before is not what stands there"
        check_numbers(log)
        receipts = [ReceiptRow._make(row) for row in database.execute_sql(_RECEIPTS).fetchall()]
        journal.check(log, {receipt.command_id: receipt for receipt in receipts})
        positions = _check_rows(database, log)
    finally:
        database.close()
    return log, positions


def check_verified(path: Path, log: Sequence[LoggedEvent]) -> None:
    """Assert that `verify` finds nothing but the events that do not decode, and names each of them."""
    report = verify_database(path)
    alien = [f"event {event.sequence} ({event.event_type})" for event in log if not isinstance(event, PersistedEvent)]
    assert [(one.check, one.where) for one in report.findings] == [("payloads", where) for where in alien]
    assert report.left_out == ()


def check_numbers(log: Sequence[LoggedEvent]) -> None:
    """Sequences and versions count from 1 without gaps."""
    assert [event.sequence for event in log] == list(range(1, len(log) + 1))
    versions: dict[tuple[str, str], int] = {}
    for event in log:
        stream = (event.aggregate_kind, event.stream_id)
        versions[stream] = versions.get(stream, 0) + 1
        assert event.stream_version == versions[stream], event


def _check_rows(database: peewee.SqliteDatabase, log: Sequence[LoggedEvent]) -> dict[str, int]:
    """Each projection's rows are those of its position, which has the time of its event."""
    stored = read_positions(database)
    for one in PROJECTIONS:
        position, table = stored[one.name].last_applied_sequence, one.model._meta.table_name
        applied = [event for event in log[:position] if isinstance(event, PersistedEvent)]
        assert rows_of(database, one.model) == fold(applied)[table], table
    return {one.name: stored[one.name].last_applied_sequence for one in PROJECTIONS}


def write_alien(path: Path, event_type: str, log: Sequence[LoggedEvent]) -> None:
    """Append an event that this version cannot decode, as another version or a defect would have written it."""
    streams = [event.stream_id for event in log if event.aggregate_kind == "thread"]
    stream = streams[-1] if streams else "alien"
    version = 1 + sum(event.aggregate_kind == "thread" and event.stream_id == stream for event in log)
    sequence = len(log) + 1
    row = (
        sequence,
        f"alien-{sequence}",
        "thread",
        stream,
        version,
        event_type,
        at(sequence),
        "server",
        '{"a":1}',
        "{}",
    )
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "INSERT INTO orchestration_events (sequence, event_id, aggregate_kind, stream_id, stream_version,"
            " event_type, occurred_at, actor_kind, payload_json, metadata_json)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    connection.close()


@attrs.frozen
class LogRead:
    """Part of the log, as a read or a subscription returned it."""

    after: int
    thread: str | None
    events: tuple[LoggedEvent, ...]

    def check(self, log: Sequence[LoggedEvent]) -> None:
        last = max((event.sequence for event in self.events), default=self.after)
        expected = [event for event in log[self.after : last] if self.thread in (None, event.stream_id)]
        assert list(self.events) == expected
