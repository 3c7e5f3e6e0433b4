"""Looking into a database that another process may own: nothing is locked, nothing is written to it.

- A read-only database keeps no file beside it that was not there before: where SQLite had to make `-wal` and `-shm` to
  read, it is made to remove them.
- What a snapshot shows is one cut. Where positions differ at the moment of looking, the cut is made in a temporary
  copy, which only the user of this process can read and which is gone at the end.

Everything here blocks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import peewee

from ..contracts.values import EPOCH
from .bootstrap import ProgressListener, ReplayRequest, check_positions, replay_to_head
from .database import database_path, open_for_inspection, prepare
from .event_store import read_head
from .failures import translate_errors, translated
from .positions import read_positions
from .projections import PROJECTIONS
from .rebuild import outdated_projections, rebuild


@contextmanager
def open_read_only(path: Path) -> Iterator[peewee.SqliteDatabase]:
    """A read-only database whose schema this installation can read. Each statement sees what is committed by then.

    Raises:
        ForeignDatabase, DatabaseTooNew, DatabaseCorrupt, StoreError: as `open_for_inspection`, and for what SQLite
            raises in the block.
    """
    path = database_path(path)
    had_log = _log_of(path).exists()
    try:
        with closing(open_for_inspection(path)) as database, _driver_errors_translated(path):
            yield database
    finally:
        if not had_log and _log_of(path).exists():
            _remove_empty_log(path)


@contextmanager
def open_at_one_cut(path: Path, *, progress: ProgressListener | None = None) -> Iterator[peewee.SqliteDatabase]:
    """A read-only database in which all eight positions are at the log's head.

    That is the file itself inside one read transaction, or a temporary copy, migrated and brought to the head, when
    projectors lag or another version wrote their rows; `progress` is called during the copy's replay.

    Raises:
        ProjectionStalled: a position is missing or beyond the head, or an event cannot be applied.
        ForeignDatabase, DatabaseTooNew, DatabaseCorrupt, StoreFull, StoreError: as `open_read_only`.
    """
    with ExitStack() as stack:
        with open_read_only(path) as original:
            original.execute_sql("BEGIN")
            if _is_at_head(original):
                yield original
                return
            directory = stack.enter_context(TemporaryDirectory(prefix="orchestrion-"))
            copy = Path(directory) / path.name
            copy_database(original, copy)
        with closing(prepare(copy, EPOCH)) as replayed, _driver_errors_translated(path):
            _replay_all(replayed, progress)
            replayed.execute_sql("PRAGMA query_only = 1")
            yield replayed


def copy_database(source: peewee.SqliteDatabase, target: Path) -> None:
    """Write what `source` sees into a new file, by SQLite's online backup in one step, so that it is one state.

    The file can be read by its owner alone. It is removed again when the copy fails.

    Raises:
        StoreFull: the disk is full.
        StoreError: the file exists or cannot be written.
    """
    with translate_errors(target):
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with closing(sqlite3.connect(target)) as connection:
                source.connection().backup(connection)
        except BaseException:
            target.unlink()
            raise


def open_copy(path: Path) -> peewee.SqliteDatabase:
    """Open a copy that nobody else has, to change it before it is handed out. It keeps no file beside it."""
    database = peewee.SqliteDatabase(
        str(path),
        pragmas={"journal_mode": "memory", "synchronous": 2},
        thread_safe=False,
        autoconnect=False,
    )
    database.connect()
    return database


def _is_at_head(database: peewee.SqliteDatabase) -> bool:
    head = read_head(database).sequence
    positions = read_positions(database)
    at_head = all(one.name in positions and positions[one.name].last_applied_sequence == head for one in PROJECTIONS)
    return at_head and not outdated_projections(database, PROJECTIONS)


def _replay_all(database: peewee.SqliteDatabase, progress: ProgressListener | None) -> None:
    check_positions(database, PROJECTIONS)
    outdated = outdated_projections(database, PROJECTIONS)
    if outdated:
        rebuild(database, ReplayRequest(projections=outdated, progress=progress))
    stalled = replay_to_head(database, ReplayRequest(projections=PROJECTIONS, progress=progress))
    if stalled:
        raise stalled[0]


@contextmanager
def _driver_errors_translated(path: Path) -> Iterator[None]:
    """As `translate_errors`, but an error of the operating system is the block's own business."""
    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
        raise translated(error, path) from error


def _log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def _remove_empty_log(path: Path) -> None:
    """Open and close a connection that may write: SQLite removes its empty log with the last one of these.

    A connection that may only read leaves the log there. While anybody else has the file open, nothing happens.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
