"""Rebuild: replay a projection's rows from the log beside the old ones, then swap them in one transaction.

The replay goes into a scratch database next to the real one, whose tables are the shadow tables. Killed halfway, the
old rows and their position stay; the next start deletes the scratch file, or the next rebuild.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import peewee

from .. import migrations
from ..contracts.values import EPOCH
from .bootstrap import ReplayRequest, replay_to_head
from .crash_points import crash_point
from .database import write_transaction
from .positions import PositionRow, read_position, write_position
from .projections import Projection

_SCRATCH_SUFFIXES: Final = ("", "-journal", "-wal", "-shm")


def rebuild(database: peewee.SqliteDatabase, request: ReplayRequest) -> None:
    """Replay projections from the first event and swap their rows and positions in one transaction.

    The caller holds the writing connection and the database's lock. A missing position is put back.

    Raises:
        ProjectionStalled: an event cannot be applied; the old rows stay.
    """
    with scratch_database(Path(database.database)) as scratch:
        replay_and_swap(database, scratch, request)


def replay_and_swap(database: peewee.SqliteDatabase, scratch: peewee.SqliteDatabase, request: ReplayRequest) -> None:
    """Replay what the scratch database lacks, then swap rows, positions and versions in one transaction.

    Runs between two transactions of the writing connection. After an error, the connection is to be reopened before
    it is used again, and the position to be read: both are what they were, or new.

    Raises:
        ProjectionStalled: an event cannot be applied; the old rows stay.
        CommitOutcomeUnknown: the old rows are there, or the new ones.
    """
    stalled = replay_to_head(scratch, request, source=database)
    if stalled:
        raise stalled[0]
    crash_point("rebuild.replayed")
    database.execute_sql("ATTACH DATABASE ? AS scratch", (os.fsencode(scratch.database),))
    try:
        with write_transaction(database, durability="full"):
            for projection in request.projections:
                _swap(database, scratch, projection)
                crash_point("rebuild.one-swapped")
        crash_point("rebuild.committed")
    finally:
        database.execute_sql("DETACH DATABASE scratch")


def outdated_projections(database: peewee.SqliteDatabase, projections: Sequence[Projection]) -> list[Projection]:
    """The projections whose rows another version of them wrote."""
    stored = dict(database.execute_sql("SELECT projector, version FROM orchestrion_projector_versions").fetchall())
    return [one for one in projections if stored.get(one.name, one.version) != one.version]


def record_versions(database: peewee.SqliteDatabase, projections: Sequence[Projection]) -> None:
    """Note which version of each projection wrote its rows; those noted already are left as they are."""
    stored = {row[0] for row in database.execute_sql("SELECT projector FROM orchestrion_projector_versions").fetchall()}
    missing = [projection for projection in projections if projection.name not in stored]
    if missing:
        with write_transaction(database, durability="normal"):
            for projection in missing:
                _record_version(database, projection)


@contextmanager
def scratch_database(beside: Path) -> Iterator[peewee.SqliteDatabase]:
    """An empty database with our schema next to another one, deleted at the end. It is not durable."""
    path = _scratch_of(beside)
    _delete(path)
    scratch = peewee.SqliteDatabase(
        str(path),
        pragmas={"journal_mode": "memory", "synchronous": 0, "locking_mode": "normal"},
        thread_safe=False,
        check_same_thread=False,
    )
    scratch.connect()
    try:
        migrations.migrate(scratch, now=EPOCH)
        yield scratch
    finally:
        scratch.close()
        _delete(path)


def drop_left_scratch(beside: Path) -> None:
    """Throw away what a rebuild left that was killed. The caller holds the database's lock."""
    _delete(_scratch_of(beside))


def _scratch_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.rebuild")


def _swap(database: peewee.SqliteDatabase, scratch: peewee.SqliteDatabase, projection: Projection) -> None:
    table = projection.model._meta.table_name
    database.execute_sql(f'DELETE FROM main."{table}"')
    database.execute_sql(f'INSERT INTO main."{table}" SELECT * FROM scratch."{table}" ORDER BY rowid')
    position = read_position(scratch, projection.name)
    database.execute_sql(
        "INSERT INTO main.projection_state (projector, last_applied_sequence, updated_at) VALUES (?, 0, ?)"
        " ON CONFLICT (projector) DO NOTHING",
        (projection.name, EPOCH),
    )
    write_position(database, PositionRow(*position))
    _record_version(database, projection)


def _record_version(database: peewee.SqliteDatabase, projection: Projection) -> None:
    database.execute_sql(
        "INSERT INTO main.orchestrion_projector_versions (projector, version) VALUES (?, ?)"
        " ON CONFLICT (projector) DO UPDATE SET version = excluded.version",
        (projection.name, projection.version),
    )


def _delete(path: Path) -> None:
    for suffix in _SCRATCH_SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
