"""The runner applies the chain once, in one transaction, and refuses what it does not know."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import peewee
import pytest

from orchestrion.migrations import (
    APPLICATION_ID,
    READABLE_FROM,
    BrokenChain,
    EditedMigration,
    ForeignSchema,
    NewerSchema,
    OutdatedSchema,
    check,
    migrate,
)
from orchestrion.migrations.runner import Migration, load

NOW = "2026-01-02T03:04:05.678Z"
LANDED = {
    "001_orchestration_events": "ef3fe5d4890249ac89f84029d7779c78c48c19a1ac29bfcf1aa35199c7ad62cd",
    "002_orchestration_command_receipts": "b5a22eb459345a891909464468c74abf4479dc9f68f28194a93311b33ede2801",
    "003_checkpoint_diff_blobs": "d494fb766231a95dc0d44fee1710ee24ee49c6ad30ed15c374c1aa0c1988c71e",
    "004_provider_session_runtime": "bccd7c2e8b5fc57a970f263718251160b4560438a7beed3c3f6144541ccb8c74",
    "005_projections": "2b51ee11b5f991774cafbfed8aee8992c42030cf90f73b62c86d36d688209a01",
    "006_turn_failures": "72829437ed4823d07656bc7284b481cbd7425a584a8fd81ba073cf7cc3a51ca9",
    "007_turn_usage": "cb85d1a59be33cf3fae1674cd2d53b91326729c87284d8bcf14d44c10b239759",
    "008_attachments": "a542d6fa31d5abe86ecae4d2c76a07d859503e32d22c71da6bffd315f6815ba7",
    "009_steering": "815f84b369d9ee0e09976417574f97a0f85225659e8ffaaac583859e4c389a52",
}
NAMES = list(LANDED)
LATER = f"{len(NAMES) + 1:03}_later"
RACERS = 5

Tamper = Callable[[peewee.SqliteDatabase], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path) -> Iterator[peewee.SqliteDatabase]:
    database = peewee.SqliteDatabase(str(path))
    database.connect()
    yield database
    database.close()


def edited(migration: Migration, *statements: str) -> Migration:
    return dataclasses.replace(migration, statements=statements)


def later() -> Migration:
    return Migration(version=len(NAMES) + 1, name=LATER, statements=("CREATE TABLE later (x TEXT) STRICT",))


def ledger(database: peewee.SqliteDatabase) -> list[tuple[int, str, str, str]]:
    rows: list[tuple[int, str, str, str]] = database.execute_sql(
        "SELECT version, name, checksum, applied_at FROM orchestrion_migrations ORDER BY version"
    ).fetchall()
    return rows


@pytest.mark.spec("W17")
def test_shipped_migrations_are_the_landed_ones_in_order() -> None:
    assert {migration.name: migration.checksum for migration in load()} == LANDED
    assert [migration.name for migration in load()] == NAMES


@pytest.mark.spec("W17")
def test_chain_is_applied_once(database: peewee.SqliteDatabase) -> None:
    assert migrate(database, now=NOW) == NAMES
    assert ledger(database) == [(n, name, LANDED[name], NOW) for n, name in enumerate(NAMES, start=1)]
    assert database.application_id == APPLICATION_ID
    assert migrate(database, now="2027-01-01T00:00:00.000Z") == []
    assert len(ledger(database)) == len(NAMES)
    check(database)


def test_older_database_gets_missing_migrations(database: peewee.SqliteDatabase) -> None:
    assert migrate(database, now=NOW, migrations=load()[:2]) == NAMES[:2]
    with pytest.raises(OutdatedSchema, match=NAMES[2]):
        check(database)
    assert migrate(database, now=NOW) == NAMES[2:]
    assert migrate(database, now=NOW, migrations=[*load(), later()]) == [LATER]


def test_bookkeeping_keeps_a_version_for_each_projector(database: peewee.SqliteDatabase) -> None:
    migrate(database, now=NOW)
    columns = database.execute_sql("PRAGMA table_xinfo(orchestrion_projector_versions)").fetchall()
    assert [(name, kind, notnull, key) for _, name, kind, notnull, _, key, _ in columns] == [
        ("projector", "TEXT", 1, 1),
        ("version", "INTEGER", 1, 0),
    ]


def test_check_writes_nothing_to_a_fresh_database(database: peewee.SqliteDatabase, path: Path) -> None:
    database.execute_sql("PRAGMA query_only = 1")
    with pytest.raises(OutdatedSchema, match="001_orchestration_events"):
        check(database)
    assert path.stat().st_size == 0


def test_layout_of_a_statement_is_no_part_of_its_checksum() -> None:
    migration = load()[0]
    respaced = tuple(statement.replace("\n", " \n\t ") for statement in migration.statements)
    assert edited(migration, *respaced).checksum == migration.checksum
    assert edited(migration, *migration.statements[1:]).checksum != migration.checksum


def test_database_of_a_newer_version_is_refused(database: peewee.SqliteDatabase) -> None:
    migrate(database, now=NOW, migrations=[*load(), later()])
    for attempt in (lambda: migrate(database, now=NOW), lambda: check(database)):
        with pytest.raises(NewerSchema, match=LATER):
            attempt()


def _tables_without_id(database: peewee.SqliteDatabase) -> object:
    return database.execute_sql("CREATE TABLE bookmarks (url TEXT)")


def _id_of_another_program(database: peewee.SqliteDatabase) -> object:
    return database.execute_sql("PRAGMA application_id = 7")


def _our_id_without_ledger(database: peewee.SqliteDatabase) -> object:
    database.execute_sql("CREATE TABLE bookmarks (url TEXT)")
    return database.execute_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def _ledger_without_our_id(database: peewee.SqliteDatabase) -> object:
    migrate(database, now=NOW)
    return database.execute_sql("PRAGMA application_id = 0")


@pytest.mark.parametrize(
    "make", [_tables_without_id, _id_of_another_program, _our_id_without_ledger, _ledger_without_our_id]
)
def test_database_of_something_else_is_refused_and_left_alone(
    database: peewee.SqliteDatabase, path: Path, make: Tamper
) -> None:
    make(database)
    before = path.read_bytes()
    for attempt in (lambda: migrate(database, now=NOW), lambda: check(database)):
        with pytest.raises(ForeignSchema):
            attempt()
    assert path.read_bytes() == before


def _other_checksum(database: peewee.SqliteDatabase) -> object:
    return database.execute_sql("UPDATE orchestrion_migrations SET checksum = 'x' WHERE version = 3")


def _other_name(database: peewee.SqliteDatabase) -> object:
    return database.execute_sql("UPDATE orchestrion_migrations SET name = '003_other' WHERE version = 3")


def _gap(database: peewee.SqliteDatabase) -> object:
    return database.execute_sql("DELETE FROM orchestrion_migrations WHERE version = 3")


@pytest.mark.lesson("L13")
@pytest.mark.parametrize("tamper", [_other_checksum, _other_name, _gap])
def test_ledger_that_differs_from_the_files_is_refused(database: peewee.SqliteDatabase, tamper: Tamper) -> None:
    migrate(database, now=NOW)
    tamper(database)
    for attempt in (lambda: migrate(database, now=NOW), lambda: check(database)):
        with pytest.raises(EditedMigration):
            attempt()


@pytest.mark.spec("W17")
def test_file_that_was_edited_after_it_landed_is_refused(database: peewee.SqliteDatabase) -> None:
    migrate(database, now=NOW)
    first, *rest = load()
    with pytest.raises(EditedMigration, match=first.name):
        migrate(database, now=NOW, migrations=[edited(first, "CREATE TABLE other (x TEXT)"), *rest])


@pytest.mark.lesson("L13")
@pytest.mark.parametrize(
    "numbers", [pytest.param((1, 3), id="gap"), pytest.param((1, 2, 2), id="collision"), pytest.param((2,), id="start")]
)
def test_chain_with_a_gap_or_a_number_used_twice_is_refused(
    database: peewee.SqliteDatabase, numbers: tuple[int, ...]
) -> None:
    chain = [dataclasses.replace(load()[0], version=number) for number in numbers]
    for attempt in (
        lambda: migrate(database, now=NOW, migrations=chain),
        lambda: check(database, migrations=chain),
    ):
        with pytest.raises(BrokenChain):
            attempt()


def test_failure_leaves_nothing_of_the_chain(database: peewee.SqliteDatabase) -> None:
    fourth = edited(load()[3], "CREATE TABLE good (x TEXT)", "CREATE TABLE good (x TEXT)")
    with pytest.raises(peewee.OperationalError, match="already exists"):
        migrate(database, now=NOW, migrations=[*load()[:3], fourth, load()[4]])
    assert database.get_tables() == []
    assert database.application_id == 0
    assert not database.connection().in_transaction
    assert migrate(database, now=NOW) == NAMES


def test_failure_keeps_the_previous_state(database: peewee.SqliteDatabase) -> None:
    migrate(database, now=NOW, migrations=load()[:2])
    before = database.get_tables()
    with pytest.raises(peewee.OperationalError):
        migrate(database, now=NOW, migrations=[*load()[:2], edited(load()[2], "CREATE NONSENSE")])
    assert database.get_tables() == before
    assert [name for _, name, _, _ in ledger(database)] == NAMES[:2]


@pytest.mark.parametrize("applied", range(len(NAMES)))
def test_readers_do_without_migrations_that_they_do_not_need(database: peewee.SqliteDatabase, applied: int) -> None:
    migrate(database, now=NOW, migrations=load()[:applied])
    with nullcontext() if applied >= READABLE_FROM else pytest.raises(OutdatedSchema):
        check(database, to_read=True)
    with pytest.raises(OutdatedSchema):
        check(database)


class _Overtaken(peewee.SqliteDatabase):
    """A connection that is overtaken by another one before it gets the write lock."""

    others: Sequence[Migration] = ()

    def begin(self, lock_type: str | None = None) -> None:
        if lock_type == "IMMEDIATE":
            other = peewee.SqliteDatabase(self.database)
            migrate(other, now=NOW, migrations=self.others)
            other.close()
        super().begin(lock_type)


def test_overtaken_migration_applies_only_the_rest(path: Path) -> None:
    database = _Overtaken(str(path))
    database.others = load()[:2]
    assert migrate(database, now=NOW) == NAMES[2:]
    database.close()


def test_migration_overtaken_by_a_newer_version_is_refused(path: Path) -> None:
    database = _Overtaken(str(path))
    database.others = [*load(), later()]
    with pytest.raises(NewerSchema):
        migrate(database, now=NOW)
    database.close()


_RACER = """
import sys, peewee
from orchestrion.migrations import migrate
database = peewee.SqliteDatabase(sys.argv[1], timeout=60)
print("ready", flush=True)
sys.stdin.readline()
print(len(migrate(database, now="2026-01-02T03:04:05.678Z")), flush=True)
database.close()
"""


def test_of_processes_that_race_one_migrates_and_none_fails(database: peewee.SqliteDatabase, path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    applied = sorted(int(racer.communicate()[0]) for racer in racers)
    assert applied == [0] * (RACERS - 1) + [len(NAMES)]
    assert [name for _, name, _, _ in ledger(database)] == NAMES
