"""A backup, a repair and a rebuild while serving, each killed halfway: the data is intact, and a second attempt
completes.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrion.persistence.crash_points import VARIABLE
from orchestrion.persistence.verify import verify_database
from tests.support.command_line import dispatch_script, done, expected_snapshot, orchestrion, snapshot_of

REBUILD_POINTS = ["replay.page-applied", "rebuild.replayed", "rebuild.one-swapped:2", "rebuild.committed"]
"""The second swap of a repair is in the transaction of the first."""

SERVING = """
import sys
import anyio
from orchestrion import open_runtime

async def main(database):
    async with open_runtime(database) as runtime:
        await runtime.rebuild()

anyio.run(main, sys.argv[1])
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    dispatch_script(path)
    return path


def killed_at(point: str, *command: str | Path) -> None:
    """Run an `orchestrion` command that dies at a crash point."""
    environment = {**os.environ, VARIABLE: point}
    ended = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, timeout=240, check=False
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def scratch_files(database: Path) -> list[str]:
    return [path.name for path in database.parent.iterdir() if ".rebuild" in path.name]


def damage(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE projection_threads SET title = 'Changed'")
        connection.execute("UPDATE projection_thread_messages SET text = text || 'twice'")
        connection.execute("DELETE FROM projection_state WHERE projector = 'projection.projects'")


@pytest.mark.parametrize("point", REBUILD_POINTS)
def test_a_repair_that_was_killed_is_done_by_the_next_one(database: Path, point: str) -> None:
    damage(database)
    before = {finding.projector for finding in verify_database(database).findings}
    killed_at(point, "-m", "orchestrion", "repair", database)
    left = {finding.projector for finding in verify_database(database).findings}
    assert left == (set() if point == "rebuild.committed" else before)
    done("repair", database)
    assert snapshot_of(database) == expected_snapshot()
    assert verify_database(database).findings == ()


@pytest.mark.parametrize("point", REBUILD_POINTS)
def test_a_rebuild_while_serving_that_was_killed_leaves_each_table_whole(database: Path, point: str) -> None:
    killed_at(point, "-c", SERVING, database)
    assert verify_database(database).findings == ()
    assert snapshot_of(database) == expected_snapshot()
    assert scratch_files(database) != []
    done("dispatch", database)
    assert scratch_files(database) == []
    done("rebuild", database)
    assert snapshot_of(database) == expected_snapshot()


@pytest.mark.parametrize("point", ["backup.copied", "backup.linked"])
def test_a_backup_that_was_killed_is_whole_or_not_there(database: Path, point: str) -> None:
    target = database.with_name("backup.db")
    killed_at(point, "-m", "orchestrion", "backup", database, target)
    assert target.exists() == (point == "backup.linked")
    assert len(list(database.parent.glob("*.unfinished-*"))) == 1
    if point == "backup.linked":
        assert "is one of 2 hard links" in orchestrion("verify", target).stderr
        target.unlink()
    done("backup", database, target)
    assert list(database.parent.glob("*.unfinished-*")) == []
    assert snapshot_of(target) == snapshot_of(database) == expected_snapshot()
