"""Commands that only read open a database of 0.1.0 unchanged, and show the same after its migration."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import done, orchestrion
from tests.support.older_database import migrations_of, write_older_database
from tests.support.unprivileged import play

OLDER = [1, 2, 3, 4, 5]
THREAD = "price-list"
SHOWN = {
    "snapshot": ("snapshot", "--json"),
    "events": ("events",),
    "health": ("health", "--json"),
    "sessions": ("sessions", "--json"),
    "verify": ("verify", "--json"),
    "checkpoints": ("checkpoints", "--json"),
    "turn-diff": ("turn-diff", THREAD, "0", "1"),
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = write_older_database(tmp_path / "state.db")
    edit(path, f"INSERT INTO checkpoint_diff_blobs VALUES ('{THREAD}', 0, 1, '+ 2.50', '2026-03-01T10:00:00.000Z')")
    return path


def shown_by(command: str, database: Path) -> str:
    name, *arguments = SHOWN[command]
    return done(name, database, *arguments)


def edit(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


@pytest.mark.lesson("L92")
@pytest.mark.parametrize("command", SHOWN)
def test_reading_shows_an_older_database_as_once_migrated(command: str, database: Path) -> None:
    before = database.read_bytes()
    shown = shown_by(command, database)
    assert shown
    assert (database.read_bytes(), os.listdir(database.parent)) == (before, ["state.db"])
    done("dispatch", database)  # a runtime opens it, which migrates it
    assert migrations_of(database) > OLDER
    assert shown_by(command, database) == shown


@pytest.mark.lesson("L92")
def test_stats_of_an_older_database_name_its_threads(database: Path) -> None:
    assert THREAD in done("stats", database)
    assert migrations_of(database) == OLDER


@pytest.mark.lesson("L92")
def test_backup_copies_an_older_database_as_it_is(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    done("backup", database, copy)
    assert migrations_of(copy) == migrations_of(database) == OLDER
    assert shown_by("events", copy) == shown_by("events", database)


@pytest.mark.lesson("L92")
def test_older_database_whose_rows_lag_is_shown_at_its_head(database: Path) -> None:
    whole = shown_by("snapshot", database)
    edit(database, "UPDATE orchestrion_projector_versions SET version = 0 WHERE projector = 'projection.threads'")
    edit(database, "UPDATE projection_threads SET title = 'what an older version wrote'")
    assert shown_by("snapshot", database) == whole
    assert '"findings":[]' in shown_by("verify", database)
    assert migrations_of(database) == OLDER


@pytest.mark.lesson("L92")
def test_older_database_is_read_where_nothing_may_be_written(database: Path) -> None:
    shown = shown_by("verify", database)
    database.chmod(0o444)
    database.parent.chmod(0o555)
    try:
        assert play("orchestrion", "snapshot", str(database), "--json")["snapshotSequence"] == 39
        assert str(play("orchestrion", "verify", str(database), "--json")["head"]) in shown
    finally:
        database.parent.chmod(0o755)
    assert migrations_of(database) == OLDER


def test_verify_reports_a_pending_migration_that_cannot_be_applied(database: Path) -> None:
    edit(database, "CREATE TABLE projection_thread_activities_failures (x TEXT)")
    ended = orchestrion("verify", database)
    assert ended.returncode == 1
    assert "pending migrations cannot be applied" in " ".join(ended.stdout.split())
