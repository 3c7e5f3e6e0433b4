"""The demo runs end to end, every guarantee holds, and it leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command_line import orchestrion


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "kept"


@pytest.fixture(scope="module")
def played(kept: Path) -> dict[str, object]:
    finished = orchestrion("demo", "--json", "--keep", str(kept))
    assert finished.returncode == 0, finished.stderr
    document: dict[str, object] = json.loads(finished.stdout)
    return document


def test_every_guarantee_holds(played: dict[str, object]) -> None:
    checks = played["checks"]
    assert isinstance(checks, list)
    assert [check["guarantee"] for check in checks if not check["held"]] == []
    assert played["ok"] is True
    assert len(checks) == 11


def test_killed_turn_is_interrupted_and_the_queued_one_completes(played: dict[str, object]) -> None:
    snapshot = played["snapshot"]
    assert isinstance(snapshot, dict)
    [thread] = snapshot["threads"]
    assert [turn["status"] for turn in thread["turns"]] == ["completed", "interrupted", "completed"]
    assert thread["pendingApprovals"] == []
    assert thread["session"]["status"] in ("ready", "stopped")


def test_kept_database_serves_the_other_commands(played: dict[str, object], kept: Path) -> None:
    assert played["directory"] == str(kept)
    database = str(kept / "state.db")
    events = orchestrion("events", database)
    assert [json.loads(line)["sequence"] for line in events.stdout.splitlines()][:3] == [1, 2, 3]
    diff = orchestrion("turn-diff", database, "demo-thread", "0", "1")
    assert "+Hello from the first turn." in diff.stdout
    assert orchestrion("verify", database).returncode == 0


def test_no_agent_of_either_host_is_left(played: dict[str, object], kept: Path) -> None:
    sessions = json.loads(orchestrion("sessions", str(kept / "state.db"), "--json").stdout)["sessions"]
    assert [session["status"] for session in sessions] == ["stopped", "stopped"]
    assert played["ok"] is True


def test_directory_that_is_not_empty_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    finished = orchestrion("demo", "--keep", str(tmp_path))
    assert finished.returncode == 2
    assert "is not empty" in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
