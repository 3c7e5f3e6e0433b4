"""`orchestrion checkpoints` and coloured `turn-diff` on a database that a runtime with agents wrote."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrion.contracts.events import ThreadCheckpointRevertRequested, ThreadReverted
from orchestrion.runtime.host import open_runtime
from tests.support.builders import checkpoint_revert, thread_delete
from tests.support.command_line import done, orchestrion
from tests.support.git import Repository
from tests.support.reverting_host import die_at
from tests.support.stage import activity, payload, stage

pytestmark = pytest.mark.anyio


async def played(directory: Path) -> Repository:
    """Three turns in a repository, the third reverted; another thread with one turn in the same workspace."""
    repository = Repository.init(directory / "workspace")
    repository.write("users.txt", "the user's\n")
    repository.commit_all()
    async with stage(directory) as it:
        await it.open_thread("t2")
        for number in (1, 2, 3):
            asked = await it.ask(f"touch made-{number}")
            await it.until(activity("checkpoint.captured"), after=asked.sequence)
        requested = await it.send(checkpoint_revert(turn_count=2))
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
        asked = await it.ask("touch other", thread_id="t2")
        await it.until(activity("checkpoint.captured"), after=asked.sequence)
    return repository


def listed(database: Path, *options: str) -> list[dict[str, Any]]:
    refs: list[dict[str, Any]] = json.loads(done("checkpoints", database, "--json", *options))["refs"]
    return refs


def shape(refs: list[dict[str, Any]]) -> list[tuple[str, str, int | None, str]]:
    return [(one["threadId"], one["kind"], one["turnCount"], one["standing"]) for one in refs]


async def test_refs_are_listed_with_where_they_stand(tmp_path: Path) -> None:
    repository = await played(tmp_path)
    database = tmp_path / "state.db"
    found = listed(database)
    assert shape(found) == [
        ("t1", "baseline", 1, "current"),
        ("t1", "baseline", 2, "current"),
        ("t1", "baseline", 3, "reverted"),
        ("t1", "safety", None, "safety"),
        ("t1", "turn", 1, "current"),
        ("t1", "turn", 2, "current"),
        ("t1", "turn", 3, "reverted"),
        ("t2", "baseline", 1, "current"),
        ("t2", "turn", 1, "current"),
    ]
    assert shape(listed(database, "--thread", "t2")) == shape(found)[-2:]
    assert "refs/orchestrion/safety/" in done("checkpoints", "list", database)
    assert repository.git("status", "--porcelain").decode().count("made") == 2
    missing = orchestrion("checkpoints", database, "--thread", "nobody")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "'nobody' does not exist" in missing.stderr


async def test_a_safety_ref_can_be_gone_back_to(tmp_path: Path) -> None:
    repository = await played(tmp_path)
    database = tmp_path / "state.db"
    (safety,) = [one["ref"] for one in listed(database) if one["kind"] == "safety"]
    repository.write("users.txt", "edited\n")
    refused = orchestrion("checkpoints", "restore", database, "t2", safety)
    assert (refused.returncode, "is not a ref of thread 't2'" in refused.stderr) == (1, True)
    went = json.loads(done("checkpoints", "restore", database, "t1", safety, "--json"))
    assert (repository.top / "made-3").exists()
    assert not (repository.top / "other").exists()
    assert (repository.top / "users.txt").read_text() == "the user's\n"
    done("checkpoints", "restore", database, "t1", went["safetyRef"])
    assert (repository.top / "users.txt").read_text() == "edited\n"
    assert not (repository.top / "made-3").exists()
    assert (repository.top / "other").exists()


async def test_pruning_reports_its_bytes_and_keeps_current_refs(tmp_path: Path) -> None:
    await played(tmp_path)
    database = tmp_path / "state.db"
    async with open_runtime(database) as runtime:
        await runtime.dispatch(thread_delete("t2"))
        refused = orchestrion("checkpoints", "prune", database)
        assert (refused.returncode, "is in use" in refused.stderr) == (1, True)
    pruned = json.loads(done("checkpoints", "prune", database, "--json"))
    assert shape(pruned["refs"]) == [
        ("t1", "baseline", 3, "reverted"),
        ("t1", "turn", 3, "reverted"),
        ("t2", "baseline", 1, "deleted"),
        ("t2", "turn", 1, "deleted"),
    ]
    assert pruned["freedBytes"] > 0
    assert [one["kind"] for one in listed(database)] == ["baseline", "baseline", "safety", "turn", "turn"]
    assert "1 ref deleted" in done("checkpoints", "prune", database, "--safety-days", "0")
    assert [one["kind"] for one in listed(database)] == ["baseline", "baseline", "turn", "turn"]


@pytest.mark.lesson("L19")
async def test_pruning_keeps_the_safety_ref_of_an_unfinished_revert(tmp_path: Path, anyio_backend_name: str) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("users.txt", "the user's\n")
    await anyio.to_thread.run_sync(die_at, "revert.files-restored", tmp_path, anyio_backend_name)
    database = tmp_path / "state.db"
    assert json.loads(done("checkpoints", "prune", database, "--safety-days", "0", "--json"))["refs"] == []
    async with stage(tmp_path) as it:
        requested = await it.until(payload(ThreadCheckpointRevertRequested))
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
    (safety,) = [one for one in listed(database) if one["kind"] == "safety"]
    assert safety["standing"] == "safety"
    assert repository.contents(safety["commit"])[b"users.txt"] == b"edited after turn 2\n"
    assert len(json.loads(done("checkpoints", "prune", database, "--safety-days", "0", "--json"))["refs"]) > 0


def on_terminal(arguments: list[str]) -> bytes:
    """The command's output on a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    shown = subprocess.Popen([sys.executable, "-m", "orchestrion", *arguments], stdout=follower, env=environment)
    os.close(follower)
    written = b""
    try:
        while chunk := os.read(leader, 65536):
            written += chunk
    except OSError:
        pass  # the terminal's other end is closed
    finally:
        os.close(leader)
    assert shown.wait() == 0
    return written


async def test_a_diff_is_coloured_on_a_terminal_alone(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("a.txt", "old\n")
    database = tmp_path / "state.db"
    async with stage(tmp_path) as it:
        repository.git("config", "user.name", "nobody")
        asked = await it.ask("touch go\nrun make\nwait-for done")
        await it.until(activity("tool.completed"), after=asked.sequence)
        repository.write("a.txt", "new \x1b[31m\n")
        await it.let_go("done")
        await it.until(activity("checkpoint.captured"), after=asked.sequence)
    arguments = ["turn-diff", str(database), "t1", "0", "1"]
    plain = done(*arguments)
    assert "\n+new \x1b[31m\n" in plain
    written = await anyio.to_thread.run_sync(on_terminal, arguments)
    assert b"\x1b[32m+new  [31m\x1b[0m" in written
    assert b"\x1b[31m-old\x1b[0m" in written
