"""A host whose projection counts: an event that is applied twice, or not at all, leaves a wrong count.

Run as a script: `counting_host.py DATABASE BACKEND`. It dispatches commands one after the other and reports each
sequence on standard output. The projection is the test's own, with its own table and position.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import anyio
import peewee

from orchestrion.contracts.events import EVENT_PAYLOADS, PersistedEvent
from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.database import prepare
from orchestrion.persistence.event_store import read_events
from orchestrion.persistence.positions import read_position
from tests.support import builders as make
from tests.support.core import ALL_EVENTS, open_core

NAME = "projection.counted"


class Counted(peewee.Model):
    stream_id = peewee.TextField(primary_key=True)
    events = peewee.IntegerField()

    class Meta:
        table_name = "counted"


class CountingProjection:
    """How many events each stream has. Its fold is not idempotent."""

    name: ClassVar[str] = NAME
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = Counted
    handles: ClassVar[frozenset[str]] = frozenset(payload.event_type for payload in EVENT_PAYLOADS)

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        for stream_id, number in Counter(event.stream_id for event in events).items():
            database.execute_sql(
                "INSERT INTO counted (stream_id, events) VALUES (?, ?)"
                " ON CONFLICT (stream_id) DO UPDATE SET events = events + excluded.events",
                (stream_id, number),
            )


def make_database(path: Path) -> None:
    """Add the projection's table and position to the database unless they exist."""
    with closing(prepare(path, EPOCH)) as database:
        database.execute_sql("CREATE TABLE IF NOT EXISTS counted (stream_id TEXT PRIMARY KEY, events INTEGER) STRICT")
        database.execute_sql(
            "INSERT INTO projection_state (projector, last_applied_sequence, updated_at) VALUES (?, 0, ?)"
            " ON CONFLICT (projector) DO NOTHING",
            (NAME, EPOCH),
        )


def counts_of(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The projection's counts, and the number of events of each stream up to its position."""
    with closing(prepare(path, EPOCH)) as database:
        position = read_position(database, NAME).last_applied_sequence
        events = read_events(database, ALL_EVENTS)[:position]
        counted = dict(database.execute_sql("SELECT stream_id, events FROM counted").fetchall())
    return counted, dict(Counter(event.stream_id for event in events))


async def count(path: Path) -> None:
    await anyio.to_thread.run_sync(make_database, path)
    async with open_core(path, projections=[CountingProjection()]) as core:
        first = core.log.head
        for number in range(first + 1, first + 100_000):
            name = f"p{number}"
            result = await core.dispatch(make.project_create(name, command_id=f"create {name}"))
            await core.dispatch(make.project_meta_update(name, title="counted twice", command_id=f"update {name}"))
            os.write(1, f"{result.sequence}\n".encode())


if __name__ == "__main__":
    anyio.run(count, Path(sys.argv[1]), backend=sys.argv[2])
