"""`orchestrion rebuild` and `orchestrion backup`."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import (
    LiveCommand,
    dispatch_script,
    done,
    expected_snapshot,
    lines_of,
    orchestrion,
    project_create,
    snapshot_of,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("template") / "state.db"
    dispatch_script(database)
    return database


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "state.db"))


@pytest.mark.lesson("L9")
def test_rebuild_of_one_projector_repairs_its_rows_alone(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE projection_threads SET title = 'Changed'")
        connection.execute("UPDATE projection_projects SET title = 'Changed'")
    assert done("rebuild", database, "--projector", "projection.threads").endswith("events: projection.threads\n")
    snapshot = snapshot_of(database)
    assert snapshot["threads"] == expected_snapshot()["threads"]
    assert {project["title"] for project in snapshot["projects"]} == {"Changed"}
    assert orchestrion("verify", database).returncode == 1
    done("rebuild", database)
    assert snapshot_of(database) == expected_snapshot()
    assert [path.name for path in database.parent.iterdir() if path.suffix == ".rebuild"] == []


def test_rebuild_is_refused_while_another_process_owns_the_database(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        live.ask(project_create(1))
        ended = orchestrion("rebuild", database)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert f"in use by process {live.process.pid} " in ended.stderr


def test_unknown_projector_is_a_usage_error_that_lists_the_names(database: Path) -> None:
    ended = orchestrion("rebuild", database, "--projector", "projection.thread")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "projection.thread-messages" in ended.stderr


def test_backup_during_ownership_is_a_separate_database(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    with LiveCommand("dispatch", database) as live:
        live.ask(project_create(1))
        assert "up to sequence 38" in done("backup", database, target)
        live.ask(project_create(2))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert snapshot_of(target)["snapshotSequence"] == 38
    assert "Nothing found: 38 events" in done("verify", target)
    done("dispatch", target, input=lines_of([project_create(3)]))
    assert snapshot_of(target)["snapshotSequence"] == 39


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
def test_backup_refuses_to_overwrite_and_leaves_nothing(database: Path, tmp_path: Path, suffix: str) -> None:
    taken = tmp_path / f"backup.db{suffix}"
    taken.write_text("mine", encoding="utf-8")
    files = sorted(tmp_path.iterdir())
    ended = orchestrion("backup", database, tmp_path / "backup.db")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "exists already" in ended.stderr
    assert taken.read_text(encoding="utf-8") == "mine"
    assert sorted(tmp_path.iterdir()) == files


def test_backup_into_a_directory_that_does_not_exist_is_refused(database: Path, tmp_path: Path) -> None:
    ended = orchestrion("backup", database, tmp_path / "nowhere" / "backup.db")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
