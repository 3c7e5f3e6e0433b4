"""A file that cannot be opened or written is refused with an error that names it, and left unchanged."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from orchestrion.contracts.errors import (
    DatabaseCorrupt,
    DatabaseTooNew,
    ForeignDatabase,
    StoreError,
    StoreFull,
)
from orchestrion.contracts.values import Instant
from orchestrion.migrations import migrate
from orchestrion.migrations.runner import Migration, load
from orchestrion.persistence.database import (
    database_path,
    open_for_inspection,
    open_reader,
    open_writer,
    prepare,
    write_transaction,
)
from orchestrion.persistence.failures import translate_errors, translated

NOW = Instant("2026-01-02T03:04:05.678Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def writer(path: Path) -> Iterator[peewee.SqliteDatabase]:
    database = open_writer(path)
    yield database
    database.close()


def opened(path: Path) -> peewee.SqliteDatabase:
    return prepare(path, NOW)


def test_it_migrates_once(path: Path) -> None:
    for _ in range(2):
        database = prepare(path, NOW)
        assert database.execute_sql("SELECT count(*) FROM orchestrion_migrations").fetchone() == (len(load()),)
        database.close()


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_database_of_another_program_is_refused_and_left_alone(path: Path, journal: str) -> None:
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA journal_mode = {journal}")
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    before = path.read_bytes()
    for attempt in (opened, open_for_inspection):
        with pytest.raises(ForeignDatabase, match=r"state\.db is not an Orchestrion database"):
            attempt(path)
    assert path.read_bytes() == before


def test_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("a letter to a friend" * 100)
    before = path.read_bytes()
    for attempt in (opened, open_for_inspection):
        with pytest.raises(ForeignDatabase, match=r"state\.db is not a database"):
            attempt(path)
    assert path.read_bytes() == before


def test_newer_database_is_refused(path: Path) -> None:
    database = open_writer(path)
    number = len(load()) + 1
    later = Migration(version=number, name=f"{number:03}_later", statements=("CREATE TABLE later (x)",))
    migrate(database, now=NOW, migrations=[*load(), later])
    database.close()
    for attempt in (opened, open_for_inspection):
        with pytest.raises(DatabaseTooNew, match=r"state\.db .*_later"):
            attempt(path)


def test_edited_ledger_is_refused(path: Path) -> None:
    database = prepare(path, NOW)
    database.execute_sql("UPDATE orchestrion_migrations SET checksum = 'x' WHERE version = 2")
    database.close()
    for attempt in (opened, open_for_inspection):
        with pytest.raises(DatabaseCorrupt, match=r"state\.db: 002_"):
            attempt(path)


def test_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "state.db"
    for attempt in (opened, open_writer, open_reader, open_for_inspection):
        with pytest.raises(StoreError, match=r"missing/state\.db"):
            attempt(path)
    assert not path.parent.exists()


def test_missing_file_is_not_created_by_a_reader(path: Path) -> None:
    with pytest.raises(StoreError, match=r"state\.db does not exist"):
        open_reader(path)
    assert not path.exists()


def test_directory_is_refused(path: Path) -> None:
    for attempt in (opened, open_writer, open_reader, open_for_inspection):
        with pytest.raises(StoreError, match="is a directory"):
            attempt(path.parent)


@pytest.mark.lesson("L191")
def test_empty_path_is_refused_as_empty() -> None:
    with pytest.raises(StoreError, match="the path of the database is empty"):
        database_path("")


def test_full_disk(writer: peewee.SqliteDatabase, path: Path) -> None:
    writer.execute_sql("CREATE TABLE big (text TEXT) STRICT")
    writer.pragma("max_page_count", writer.pragma("page_count"))
    with (
        pytest.raises(StoreFull, match=r"state\.db: the disk is full") as raised,
        translate_errors(path),
        write_transaction(writer, durability="normal"),
    ):
        writer.execute_sql("INSERT INTO big VALUES (?)", ("x" * 100_000,))
    assert isinstance(raised.value.__cause__, peewee.OperationalError)
    with write_transaction(writer, durability="normal"):
        writer.execute_sql("INSERT INTO big VALUES ('short')")


def test_damaged_file(path: Path) -> None:
    database = prepare(path, NOW)
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'projection_state'"
    [(page,)] = database.execute_sql(query).fetchall()
    size = database.pragma("page_size")
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    reader = open_reader(path)
    with pytest.raises(DatabaseCorrupt, match=r"state\.db is damaged"), translate_errors(path):
        reader.execute_sql("SELECT * FROM projection_state").fetchall()
    reader.close()


def test_lock_of_another_process(writer: peewee.SqliteDatabase, path: Path) -> None:
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.timeout = 0
    with (
        pytest.raises(StoreError, match=r"state\.db: database is locked: another process"),
        translate_errors(path),
        write_transaction(writer, durability="normal"),
    ):
        pass
    other.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StoreFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StoreFull),
        (PermissionError(errno.EACCES, "Permission denied"), StoreError),
        (peewee.IntegrityError("UNIQUE constraint failed"), StoreError),
        (sqlite3.OperationalError("no such table: t"), StoreError),
    ],
)
def test_message_names_the_file(error: Exception, kind: type[StoreError], path: Path) -> None:
    found = translated(error, path)
    assert type(found) is kind
    assert str(path) in str(found)


def test_errors_that_are_not_the_stores_pass_through(path: Path) -> None:
    with pytest.raises(KeyError), translate_errors(path):
        raise KeyError("x")
