"""`given(events).expect_rows(table, ...)`: the rows that a projection makes of a log, in any batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import peewee

from orchestrion.contracts.events import (
    EventMetadata,
    EventPayload,
    PersistedEvent,
    ProjectCreated,
    ProjectDeleted,
    ProjectMetaUpdated,
)
from orchestrion.contracts.ids import EventId
from orchestrion.contracts.values import EPOCH, Instant
from orchestrion.migrations import migrate
from orchestrion.persistence.projections import PROJECTIONS, Projection

_NO_METADATA = EventMetadata()

Batch = Sequence[PersistedEvent]
Rows = list[tuple[Any, ...]]


@attrs.frozen
class Occurrence:
    """A payload with the fields of its log entry; `stream` is the payload's own thread or project unless given."""

    payload: EventPayload
    metadata: EventMetadata = _NO_METADATA
    occurred_at: Instant | None = None
    stream: str | None = None


@attrs.frozen
class Scenario:
    log: tuple[PersistedEvent, ...]

    def expect_rows(self, model: type[peewee.Model], *rows: Mapping[str, object]) -> None:
        """Assert that the table holds these rows in order of arrival; a row names the columns that matter."""
        for cut in cuts(self.log):
            found = self._rows(model, cut)
            named = [
                {column: row.get(column) for column in expected}
                for row, expected in zip(found, rows, strict=len(found) == len(rows))
            ]
            assert (len(found), named) == (len(rows), [dict(row) for row in rows])

    def expect_no_rows(self, model: type[peewee.Model]) -> None:
        self.expect_rows(model)

    @staticmethod
    def _rows(model: type[peewee.Model], cut: Iterable[Batch]) -> list[dict[str, object]]:
        (projection,) = (projection for projection in PROJECTIONS if projection.model is model)
        with projection_database() as database:
            for batch in cut:
                project(database, batch, [projection])
            names = column_names(model)
            return [dict(zip(names, row, strict=True)) for row in rows_of(database, model)]


def given(*events: EventPayload | Occurrence) -> Scenario:
    """A log of these events, in this order, each at its own instant unless it names one."""
    return Scenario(tuple(persisted(event if isinstance(event, Occurrence) else Occurrence(event) for event in events)))


def persisted(occurrences: Iterable[Occurrence]) -> Iterator[PersistedEvent]:
    """The occurrences as a log holds them: sequences and stream versions without gaps."""
    versions: Counter[tuple[str, str]] = Counter()
    for sequence, occurrence in enumerate(occurrences, start=1):
        payload = occurrence.payload
        if isinstance(payload, ProjectCreated | ProjectMetaUpdated | ProjectDeleted):
            kind, own_stream = "project", str(payload.project_id)
        else:
            kind, own_stream = "thread", str(payload.thread_id)
        stream = occurrence.stream or own_stream
        versions[kind, stream] += 1
        yield PersistedEvent(
            sequence=sequence,
            event_id=EventId(f"event-{sequence}"),
            aggregate_kind="project" if kind == "project" else "thread",
            stream_id=stream,
            stream_version=versions[kind, stream],
            event_type=payload.event_type,
            occurred_at=occurrence.occurred_at or occurred(sequence),
            command_id=None,
            causation_event_id=None,
            correlation_id=None,
            actor_kind="server",
            payload=payload,
            metadata=occurrence.metadata,
        )


def occurred(sequence: int) -> Instant:
    """The default instant of the event with this sequence."""
    return Instant(f"2026-06-01T00:{sequence // 60:02}:{sequence % 60:02}.000Z")


def cuts(log: Batch) -> Iterator[list[Batch]]:
    """The log one event at a time, whole, in pairs, and in pairs after a first event alone."""
    yield [[event] for event in log]
    yield [log]
    yield [log[start : start + 2] for start in range(0, len(log), 2)]
    yield [log[:1], *(log[start : start + 2] for start in range(1, len(log), 2))]


def project(database: peewee.SqliteDatabase, batch: Batch, projections: Sequence[Projection] = PROJECTIONS) -> None:
    """Apply a batch of the log as projectors do: each projection gets the events that it handles, in a transaction."""
    for projection in projections:
        handled = [event for event in batch if event.event_type in projection.handles]
        with database.atomic("IMMEDIATE"):
            projection.apply(database, handled)


@contextmanager
def projection_database() -> Iterator[peewee.SqliteDatabase]:
    """A migrated database in memory."""
    database = peewee.SqliteDatabase(":memory:", thread_safe=False)
    database.connect()
    try:
        migrate(database, now=EPOCH)
        yield database
    finally:
        database.close()


def column_names(model: type[peewee.Model]) -> tuple[str, ...]:
    return tuple(field.column_name for field in model._meta.sorted_fields)


def rows_of(database: peewee.SqliteDatabase, model: type[peewee.Model]) -> Rows:
    """The table's rows in order of arrival, columns in the model's order."""
    columns = ", ".join(column_names(model))
    found: Rows = database.execute_sql(f"SELECT {columns} FROM {model._meta.table_name} ORDER BY rowid").fetchall()
    return found
