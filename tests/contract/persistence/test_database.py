"""Connections: the promises of a transaction, the mode of a new file, and what a reader may do."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from orchestrion.contracts.errors import StoreError
from orchestrion.contracts.values import Instant
from orchestrion.persistence.database import (
    Durability,
    open_for_inspection,
    open_reader,
    open_writer,
    prepare,
    reopen,
    write_transaction,
)
from orchestrion.persistence.failures import CommitOutcomeUnknown

NOW = Instant("2026-01-02T03:04:05.678Z")
LEVELS: dict[Durability, int] = {"normal": 1, "full": 2}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


@pytest.fixture
def writer(path: Path) -> Iterator[peewee.SqliteDatabase]:
    database = open_writer(path)
    database.execute_sql("CREATE TABLE t (x INTEGER PRIMARY KEY) STRICT")
    yield database
    database.close()


def numbers(database: peewee.SqliteDatabase) -> list[int]:
    return [number for (number,) in database.execute_sql("SELECT x FROM t ORDER BY x").fetchall()]


def put(database: peewee.SqliteDatabase, number: int, durability: Durability = "normal") -> None:
    with write_transaction(database, durability=durability):
        database.execute_sql("INSERT INTO t VALUES (?)", (number,))


class TestTransaction:
    @pytest.mark.parametrize("durability", ["full", "normal"])
    def test_its_durability_holds_for_it(self, writer: peewee.SqliteDatabase, durability: Durability) -> None:
        for level in (1, 2):
            writer.execute_sql(f"PRAGMA synchronous = {level}")
            with write_transaction(writer, durability=durability):
                assert writer.execute_sql("PRAGMA synchronous").fetchone() == (LEVELS[durability],)
                assert writer.connection().in_transaction

    def test_it_commits_when_the_body_ends(self, writer: peewee.SqliteDatabase, path: Path) -> None:
        put(writer, 1)
        reader = open_reader(path)
        assert numbers(reader) == [1]
        reader.close()

    @pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), peewee.IntegrityError("y")])
    def test_it_rolls_back_when_the_body_raises(self, writer: peewee.SqliteDatabase, error: BaseException) -> None:
        def write_and_fail() -> None:
            with write_transaction(writer, durability="full"):
                writer.execute_sql("INSERT INTO t VALUES (1)")
                raise error

        with pytest.raises(type(error)) as raised:
            write_and_fail()
        assert raised.value is error
        put(writer, 2)
        assert numbers(writer) == [2]

    def test_failed_statement_is_not_a_failed_commit(self, writer: peewee.SqliteDatabase) -> None:
        put(writer, 1)
        with pytest.raises(peewee.IntegrityError):
            put(writer, 1)
        put(writer, 2)
        assert numbers(writer) == [1, 2]

    def test_failed_commit_has_its_own_error_and_allows_reopening(self, writer: peewee.SqliteDatabase) -> None:
        # COMMIT checks a deferred foreign key, so COMMIT fails.
        writer.execute_sql("PRAGMA foreign_keys = 1")
        writer.execute_sql("CREATE TABLE child (x INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED) STRICT")
        with (
            pytest.raises(CommitOutcomeUnknown) as raised,
            write_transaction(writer, durability="full"),
        ):
            writer.execute_sql("INSERT INTO child VALUES (7)")
        assert isinstance(raised.value.__cause__, peewee.IntegrityError)
        reopen(writer)
        put(writer, 1)
        assert numbers(writer) == [1]
        assert writer.execute_sql("SELECT count(*) FROM child").fetchone() == (0,)

    def test_removed_file_is_not_created_again(self, writer: peewee.SqliteDatabase, path: Path) -> None:
        path.unlink()
        with pytest.raises(StoreError, match=r"state\.db was removed while it was open"):
            reopen(writer)
        assert not path.exists()

    def test_it_is_not_reentrant(self, writer: peewee.SqliteDatabase) -> None:
        with (
            pytest.raises(peewee.OperationalError, match="inside a transaction"),
            write_transaction(writer, durability="full"),
        ):
            put(writer, 1, "full")
        assert numbers(writer) == []


class TestWriter:
    def test_its_pragmas(self, writer: peewee.SqliteDatabase) -> None:
        for again in (False, True):
            if again:
                reopen(writer)
            pragmas = ("journal_mode", "synchronous", "busy_timeout", "wal_autocheckpoint")
            assert [writer.pragma(name) for name in pragmas] == ["wal", 2, 5000, 10_000]

    @pytest.mark.spec("W14")
    def test_new_file_is_its_owners_alone(self, path: Path) -> None:
        before = os.umask(0)
        try:
            database = prepare(path, NOW)
        finally:
            os.umask(before)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        database.close()
        assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}

    def test_new_file_behind_a_symlink_is_its_owners_alone(self, path: Path) -> None:
        link = path.with_name("link.db")
        link.symlink_to(path)
        prepare(link, NOW).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_mode_of_a_file_that_was_there_is_kept(self, path: Path) -> None:
        path.touch()
        path.chmod(0o640)
        prepare(path, NOW).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_closed_connection_does_not_open_itself(self, path: Path) -> None:
        database = open_writer(path)
        database.close()
        with pytest.raises(peewee.InterfaceError):
            database.execute_sql("SELECT 1")


_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from orchestrion.persistence.database import open_reader, open_writer
from orchestrion.contracts.errors import StoreError
if os.geteuid() == 0:  # permissions do not bind root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path = Path(sys.argv[1])
"""


def unprivileged(code: str, path: Path) -> str:
    """The output of `code` on `path` in a process without the right to pass over permissions."""
    return subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED + code, str(path)], check=True, capture_output=True, text=True
    ).stdout.strip()


_OWNER = """
import sys
from pathlib import Path
from orchestrion.persistence.database import open_writer, write_transaction
database = open_writer(Path(sys.argv[1]))
with write_transaction(database, durability="normal"):
    database.execute_sql("INSERT INTO t VALUES (2)")
    print("writing", flush=True)
    sys.stdin.readline()
database.close()
"""


@pytest.mark.parametrize("opener", ["open_writer", "open_reader"])
def test_file_that_may_not_be_read_is_named(shared: Path, opener: str) -> None:
    path = shared / "state.db"
    prepare(path, NOW).close()
    code = f"""
try:
    {opener}(path)
except StoreError as error:
    print(error)
"""
    assert unprivileged(code, path).startswith(f"{path}: unable to open database file: check that the file")


class TestReader:
    def test_it_cannot_write(self, writer: peewee.SqliteDatabase, path: Path) -> None:
        reader = open_reader(path)
        for sql in ("INSERT INTO t VALUES (1)", "CREATE TABLE u (x)", "PRAGMA user_version = 3"):
            with pytest.raises(peewee.OperationalError, match="readonly"):
                reader.execute_sql(sql)
        reader.close()
        assert numbers(writer) == []

    def test_it_reads_while_another_process_writes(self, writer: peewee.SqliteDatabase, path: Path) -> None:
        put(writer, 1)
        writer.close()
        with subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "writing\n"
            reader = open_reader(path)
            assert numbers(reader) == [1]
            owner.communicate("go on\n")
            assert numbers(reader) == [1, 2]
            reader.close()
        assert owner.returncode == 0

    def test_it_reads_where_nothing_may_be_written(self, shared: Path) -> None:
        path = shared / "state.db"
        database = open_writer(path)
        database.execute_sql("CREATE TABLE t (x INTEGER PRIMARY KEY) STRICT")
        put(database, 1)
        database.close()
        path.chmod(0o444)
        shared.chmod(0o555)
        before = sorted(shared.iterdir())
        assert unprivileged("print(open_reader(path).execute_sql('SELECT x FROM t').fetchall())", path) == "[(1,)]"
        assert sorted(shared.iterdir()) == before

    def test_inspection_wants_this_installations_schema(self, path: Path) -> None:
        prepare(path, NOW).close()
        reader = open_for_inspection(path)
        assert reader.execute_sql("SELECT count(*) FROM projection_state").fetchone() == (8,)
        reader.close()

    def test_inspection_of_an_older_schema_lists_pending_migrations(self, path: Path) -> None:
        path.touch()
        with pytest.raises(StoreError, match=r"state\.db: migrations are pending: 001_.*open it once"):
            open_for_inspection(path)
        assert path.stat().st_size == 0
