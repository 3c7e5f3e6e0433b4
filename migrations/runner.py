"""Runs the migrations: owns the ledger, the projectors' versions table and the application id.

- The whole chain runs in one transaction: a database has all pending migrations or none of them.
- The ledger holds each migration's number, name and the SHA-256 of its text, whitespace normalised. A database
  whose ledger differs from the files of this installation is refused before anything is written to it.
- What was verified before the write lock was taken is verified again under it, so processes that race agree.
- A file that SQLite has never written is a fresh database. Any other file without our application id and ledger
  belongs to someone else and is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Final, Literal

import peewee

APPLICATION_ID: Final = 0x4F524348
"""`ORCH` in the header of every database of ours."""

READABLE_FROM: Final = 5
"""The last migration that readers need: a database that lacks later ones is read as it is.

A migration that readers cannot do without raises this to its own number. One that only makes reading faster does not.
"""

_LEDGER: Final = "orchestrion_migrations"
_BOOKKEEPING: Final = (
    f"""
    CREATE TABLE IF NOT EXISTS {_LEDGER} (
        version INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS orchestrion_projector_versions (
        projector TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT
    """,
)
_FILE_NAME: Final = re.compile(r"(\d{3})_[a-z0-9_]+", re.ASCII)


class MigrationError(Exception):
    """The root of what `check` and `migrate` raise on purpose."""


class NewerSchema(MigrationError):
    """The database has migrations that this installation does not know."""


class ForeignSchema(MigrationError):
    """The database holds something else."""


class EditedMigration(MigrationError):
    """The ledger names a migration, or a text of one, that differs from the shipped file."""


class BrokenChain(MigrationError):
    """The shipped files are not numbered 1, 2, 3 and so on: the installation is damaged."""


class OutdatedSchema(MigrationError):
    """Migrations are pending that are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file: its number, its name and its statements in order."""

    version: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements with every run of whitespace taken as one space."""
        text = ";\n".join(" ".join(statement.split()) for statement in self.statements)
        return hashlib.sha256(text.encode()).hexdigest()


def load() -> tuple[Migration, ...]:
    """The shipped migrations in their order.

    Raises:
        BrokenChain: a number is missing or used twice.
    """
    package = import_module(__package__)
    found: list[Migration] = []
    for name in sorted(module.name for module in iter_modules(package.__path__)):
        if numbered := _FILE_NAME.fullmatch(name):
            statements: tuple[str, ...] = import_module(f".{name}", __package__).STATEMENTS
            found.append(Migration(version=int(numbered[1]), name=name, statements=statements))
    return _checked_sequence(found)


def check(
    database: peewee.SqliteDatabase, migrations: Sequence[Migration] | None = None, *, to_read: bool = False
) -> None:
    """Verify that `database` is ours and has every migration, writing nothing.

    With `to_read`, migrations after `READABLE_FROM` may be pending.

    Raises:
        ForeignSchema, NewerSchema, EditedMigration, BrokenChain: as `migrate`.
        OutdatedSchema: needed migrations are pending; a fresh database has all of them pending.
    """
    with _transaction(database, "DEFERRED"):
        pending = _pending(database, load() if migrations is None else _checked_sequence(migrations))
    if pending and not (to_read and pending[0].version > READABLE_FROM):
        names = ", ".join(migration.name for migration in pending)
        raise OutdatedSchema(f"migrations are pending: {names}")


def migrate(
    database: peewee.SqliteDatabase,
    *,
    now: str,
    migrations: Sequence[Migration] | None = None,
    applied: Callable[[str], object] | None = None,
) -> list[str]:
    """Apply what is pending in one IMMEDIATE transaction and return the names applied, none when up to date.

    `now` is the instant that the ledger records; `applied` is told each name, before the transaction commits. Of
    processes that race, one applies and the others find nothing left to do. Takes no write lock when nothing is
    pending.

    Raises:
        ForeignSchema: the file holds another program's tables or application id.
        NewerSchema: the ledger goes on after the last shipped file.
        EditedMigration: the ledger's numbers, names or checksums differ from the shipped files.
        BrokenChain: the shipped files have a gap or a number used twice.
        peewee.DatabaseError: a statement failed; nothing of the chain is applied.
    """
    chain = load() if migrations is None else _checked_sequence(migrations)
    with _transaction(database, "DEFERRED"):
        if not _pending(database, chain):
            return []
    with _transaction(database, "IMMEDIATE"):
        pending = _pending(database, chain)
        for statement in _BOOKKEEPING:
            database.execute_sql(statement)
        for migration in pending:
            for statement in migration.statements:
                database.execute_sql(statement)
            database.execute_sql(
                f"INSERT INTO {_LEDGER} (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
                (migration.version, migration.name, migration.checksum, now),
            )
            if applied is not None:
                applied(migration.name)
        database.execute_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    return [migration.name for migration in pending]


@contextmanager
def _transaction(database: peewee.SqliteDatabase, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
    """Commit what the block does, or roll it back and let its error through.

    Peewee's own context manager reports a failed ROLLBACK instead of the error when SQLite has rolled back by itself,
    as it does when the disk is full.
    """
    database.begin(kind)
    try:
        yield
        database.execute_sql("COMMIT")
    except BaseException:
        with suppress(peewee.DatabaseError):
            database.execute_sql("ROLLBACK")
        raise


def _checked_sequence(migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise BrokenChain(f"expected migration {expected:03}, found {migration.name}: install again")
    return tuple(migrations)


def _pending(database: peewee.SqliteDatabase, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """What the ledger lacks, after everything it has was compared with the files."""
    (application_id,) = database.execute_sql("PRAGMA application_id").fetchone()
    tables = {name for (name,) in database.execute_sql("SELECT name FROM sqlite_master").fetchall()}
    if not tables and application_id == 0:
        return migrations
    if application_id != APPLICATION_ID:
        raise ForeignSchema(f"its application id is {application_id:#x}, expected {APPLICATION_ID:#x}")
    if _LEDGER not in tables:
        raise ForeignSchema(f"it has no table {_LEDGER}")
    rows: list[tuple[int, str, str]] = database.execute_sql(
        f"SELECT version, name, checksum FROM {_LEDGER} ORDER BY version"
    ).fetchall()
    for (version, name, checksum), migration in zip(rows, migrations, strict=False):
        if (version, name) != (migration.version, migration.name):
            raise EditedMigration(f"the ledger has {name} as {version}, expected {migration.name}")
        if checksum != migration.checksum:
            raise EditedMigration(f"{name} was applied with another text than the one that is installed")
    if len(rows) > len(migrations):
        raise NewerSchema(f"it has {rows[-1][1]}, this installation knows {len(migrations)} migrations")
    return migrations[len(rows) :]
