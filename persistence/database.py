"""Connections to one SQLite file: how they are opened, how a transaction is written.

- One connection writes. It is used by one task at a time and belongs to no thread: its holder may use it on
  any thread. Each reader has a connection of its own, and no reader waits for the writer.
- A file that is not ours, or is newer than this installation, is refused before anything is written to it.
- A new file can be read and written by its owner alone.
- What SQLite and the operating system raise leaves as a `StoreError` that names the file (`failures.py`).

Everything here blocks and is called on a worker thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import peewee
from peewee import SqliteDatabase

from .. import migrations
from ..contracts.errors import (
    DatabaseCorrupt,
    DatabaseTooNew,
    ForeignDatabase,
    StoreError,
)
from ..contracts.values import Instant
from .crash_points import crash_point
from .failures import CommitOutcomeUnknown, translate_errors, translated

Durability: TypeAlias = Literal["full", "normal"]
"""`full`: a commit survives power loss. `normal`: it survives the end of the process, and never precedes an earlier
commit."""

BUSY_TIMEOUT_SECONDS: Final = 5
"""How long a statement waits for another process."""

WAL_AUTOCHECKPOINT_PAGES: Final = 10_000

_SYNCHRONOUS: Final[dict[Durability, int]] = {"normal": 1, "full": 2}
_SET_SYNCHRONOUS: Final = {durability: f"PRAGMA synchronous = {level}" for durability, level in _SYNCHRONOUS.items()}


def prepare(path: Path, now: Instant) -> SqliteDatabase:
    """Create the file if it is missing, migrate it, and return the writing connection.

    The caller holds the file's `DatabaseLock`. `now` dates the migrations that are applied.

    Raises:
        ForeignDatabase: the file holds something else; nothing was written to it.
        DatabaseTooNew: a newer version migrated it; nothing was written to it.
        DatabaseCorrupt: the ledger of migrations differs from this installation, or the file is damaged.
        StoreFull: the disk is full.
        StoreError: the file cannot be created, opened or written.
    """
    path = database_path(path)
    database = _connect_writer(path)
    try:
        with translate_errors(path), _translate_migration_errors(path):
            with suppress(migrations.OutdatedSchema):
                migrations.check(database)
            _enable_incremental_vacuum(database)
            _enter_wal(database, path)
            crash_point("migration.ledger-checked")
            migrations.migrate(database, now=now, applied=lambda _: crash_point("migration.one-applied"))
            crash_point("migration.committed")
    except BaseException:
        database.close()
        raise
    return database


def database_path(named: str | Path) -> Path:
    """The absolute path of the database that a caller names: a regular file, or one that does not exist yet.

    Raises:
        StoreError: the name cannot be that of a database file.
    """
    text = os.fspath(named)
    if not text:
        raise StoreError("the path of the database is empty: name a file", path=text)
    if text == ":memory:" or text.startswith("file:"):
        raise StoreError(
            f"{text!r} would be a file of that name: name a file in a temporary directory for a database that does not"
            f" last, or write {f'./{text}'!r} for the file",
            path=text,
        )
    try:
        path = Path(text).resolve()
        status = path.stat()
    except FileNotFoundError:
        return path
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links; ValueError: a NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(
            f"{text!r} cannot be the path of a database: {reason}: name another file", path=text
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{text} is a directory: name a file in it", path=text)
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{text} is a device, a pipe or a socket: name a regular file", path=text)
    return path


def open_writer(path: Path) -> SqliteDatabase:
    """Open `path` for writing in WAL mode, as a new file with mode 0600 if there is none; the schema is not looked at.

    Raises:
        ForeignDatabase: the file is no SQLite database.
        StoreFull: the disk is full.
        StoreError: the file cannot be created, opened or written, or its file system has no WAL.
    """
    path = database_path(path)
    database = _connect_writer(path)
    try:
        with translate_errors(path):
            _enter_wal(database, path)
    except BaseException:
        database.close()
        raise
    return database


def open_reader(path: Path) -> SqliteDatabase:
    """Open `path` for reading; the schema is not looked at. Works beside a runtime that writes.

    A complete file in a directory without write permission is read without locks.

    Raises:
        ForeignDatabase: the file is no SQLite database.
        StoreError: there is no such file, or it cannot be read.
    """
    path = database_path(path)
    with translate_errors(path):
        if not path.exists():
            raise StoreError(f"{path} does not exist: check the path", path=str(path))
        try:
            return _connect_reader(path, "mode=ro")
        except peewee.OperationalError:
            if not _is_at_rest(path):
                raise
            return _connect_reader(path, "mode=ro&immutable=1")


def open_for_inspection(path: Path) -> SqliteDatabase:
    """Open `path` for reading and verify that it has this installation's schema, or an older one that it can read.

    Raises:
        ForeignDatabase: the file holds something else.
        DatabaseTooNew: a newer version migrated it.
        DatabaseCorrupt: the ledger of migrations differs from this installation.
        StoreError: there is no such file, it cannot be read, it has a second name, or migrations are pending that
            readers need (`migrations.READABLE_FROM`).
    """
    refuse_second_name(database_path(path))
    database = open_reader(path)
    try:
        with translate_errors(path), _translate_migration_errors(path):
            migrations.check(database, to_read=True)
    except BaseException:
        database.close()
        raise
    return database


def reopen(database: SqliteDatabase) -> None:
    """Close a writing connection, whatever its state, and open it again; what it had not committed is gone.

    Raises:
        StoreError: the file is gone, or cannot be opened any more; the connection stays closed.
    """
    path = Path(database.database)
    with translate_errors(path):
        database.close()
        if not path.exists():  # connecting would make an empty one in its place
            raise StoreError(f"{path} was removed while it was open: put a backup in its place", path=str(path))
        database.connect()


def refuse_second_name(path: Path) -> None:
    """Refuse a file with hard links: each name would have a WAL and a lock of its own, and neither sees the other's.

    Raises:
        StoreError: the file has more than one name.
    """
    with suppress(OSError):
        names = path.stat().st_nlink
        if path.is_file() and names > 1:
            raise StoreError(
                f"{path} is one of {names} hard links to one file, and SQLite keeps a log beside each name:"
                " open a copy, or remove the other links",
                path=str(path),
            )


@contextmanager
def write_transaction(database: SqliteDatabase, *, durability: Durability) -> Iterator[None]:
    """Run the body in one IMMEDIATE transaction: committed when the body ends, rolled back when it raises.

    What the body raises goes on unchanged. Not reentrant: a transaction within one is an error, a savepoint is not.

    Raises:
        CommitOutcomeUnknown: COMMIT failed.
        peewee.DatabaseError: the transaction could not begin.
    """
    database.execute_sql(_SET_SYNCHRONOUS[durability])
    database.execute_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException as error:
        _roll_back(database, error)
        raise
    try:
        database.execute_sql("COMMIT")
    except peewee.DatabaseError as error:
        # A connection that is closed while an error still refers to its cursor would keep the write lock.
        _roll_back(database, error)
        named = translated(error, Path(database.database))
        fault = f"{named}; COMMIT failed: the transaction may have been committed or not"
        raise CommitOutcomeUnknown(fault, path=named.path) from error


@contextmanager
def _translate_migration_errors(path: Path) -> Iterator[None]:
    file = str(path)
    try:
        yield
    except migrations.NewerSchema as error:
        raise DatabaseTooNew(f"{path} is newer than this installation: {error}: update it", path=file) from error
    except migrations.ForeignSchema as error:
        raise ForeignDatabase(
            f"{path} is not an Orchestrion database: {error}; nothing was written to it: name another file",
            path=file,
        ) from error
    except migrations.EditedMigration as error:
        raise DatabaseCorrupt(
            f"{path}: {error}: install the version that migrated it, or restore a backup", path=file
        ) from error
    except migrations.OutdatedSchema as error:
        raise StoreError(f"{path}: {error}: open it once with a runtime, which applies them", path=file) from error
    except migrations.MigrationError as error:
        raise StoreError(f"{path} was not opened: {error}", path=file) from error


def _connect_writer(path: Path) -> SqliteDatabase:
    """A connection that has written nothing to a file that was there before."""
    database = SqliteDatabase(
        str(path),
        pragmas={
            "foreign_keys": 0,
            "synchronous": _SYNCHRONOUS["full"],
            "wal_autocheckpoint": WAL_AUTOCHECKPOINT_PAGES,
        },
        timeout=BUSY_TIMEOUT_SECONDS,
        thread_safe=False,
        autoconnect=False,
        check_same_thread=False,
    )
    with translate_errors(path):
        # O_EXCL: a file that is there is left alone, because closing any descriptor of it would drop the locks
        # that this process holds on it.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        database.connect()
    return database


def _connect_reader(path: Path, parameters: str) -> SqliteDatabase:
    database = SqliteDatabase(
        f"{path.as_uri()}?{parameters}",
        pragmas={"query_only": 1},
        timeout=BUSY_TIMEOUT_SECONDS,
        thread_safe=False,
        autoconnect=False,
        check_same_thread=False,
        uri=True,
    )
    database.connect()
    try:
        database.execute_sql("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _enable_incremental_vacuum(database: SqliteDatabase) -> None:
    """Let a new file shrink (`maintenance`). This has to be set before SQLite first writes to it."""
    if database.pragma("page_count") == 0:
        database.execute_sql("PRAGMA auto_vacuum = INCREMENTAL")


def _enter_wal(database: SqliteDatabase, path: Path) -> None:
    mode = database.pragma("journal_mode", "wal")
    if mode != "wal":
        raise StoreError(
            f"{path}: its file system cannot do WAL, SQLite chose {mode}: use a local disk", path=str(path)
        )


def _roll_back(database: SqliteDatabase, error: BaseException) -> None:
    if not database.connection().in_transaction:
        return  # SQLite has rolled back already
    try:
        database.execute_sql("ROLLBACK")
    except peewee.DatabaseError as failure:
        error.add_note(f"ROLLBACK failed too: {failure}")


def _is_at_rest(path: Path) -> bool:
    """Whether no process can be writing: nothing waits in a WAL and no new one can be made."""
    log = Path(f"{path}-wal")
    return not os.access(path.parent, os.W_OK) and (not log.exists() or log.stat().st_size == 0)
