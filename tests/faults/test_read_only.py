"""A file system that is mounted read-only: runtimes are refused, commands that only read work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import dispatch_script, done, expected_snapshot, lines_of, orchestrion, project_create
from tests.support.command_line import snapshot_of as read_snapshot
from tests.support.small_disk import SmallDisk

REFUSED = "Read-only file system: check that its directory exists and may be read and written"


@pytest.fixture
def database(disk: SmallDisk) -> Path:
    path = disk.directory / "state.db"
    dispatch_script(path)
    disk.remount("ro")
    return path


@pytest.mark.parametrize("command", ["dispatch", "rebuild"])
def test_commands_that_write_are_refused_in_one_line(database: Path, disk: SmallDisk, command: str) -> None:
    before = sorted(disk.directory.iterdir())
    ended = orchestrion(command, database, input=lines_of([project_create(1)]))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"orchestrion: {database}: {REFUSED}\n"
    assert sorted(disk.directory.iterdir()) == before


def test_read_only_commands_show_everything(database: Path, tmp_path: Path) -> None:
    assert read_snapshot(database) == expected_snapshot()
    assert "Nothing found: 37 events" in done("verify", database)
    assert len(done("events", database).splitlines()) == 37
    assert "The log has 37 events" in done("health", database)
    done("backup", database, tmp_path / "backup.db")
    assert read_snapshot(tmp_path / "backup.db") == expected_snapshot()


def test_a_backup_into_it_is_refused_and_leaves_nothing(database: Path, disk: SmallDisk) -> None:
    before = sorted(disk.directory.iterdir())
    ended = orchestrion("backup", database, disk.directory / "backup.db")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert REFUSED in ended.stderr
    assert sorted(disk.directory.iterdir()) == before


def test_mounted_for_writing_again_it_opens(database: Path, disk: SmallDisk) -> None:
    assert orchestrion("dispatch", database).returncode == 1
    disk.remount("rw")
    done("dispatch", database, input=lines_of([project_create(1)]))
    assert read_snapshot(database)["snapshotSequence"] == 38
