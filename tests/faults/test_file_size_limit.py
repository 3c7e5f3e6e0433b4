"""A file that may not grow beyond a limit: a real device error that needs no privilege.

The host is the command line in a process with RLIMIT_FSIZE. Python ignores SIGXFSZ, so a write fails with EFBIG.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import answers_of, done, lines_of, project_create, snapshot_of

COMMANDS = [project_create(number, title="x" * 2000) for number in range(180)]
ADVICE = "check the disk, then run `orchestrion verify`"


def limited(limit: int, *arguments: str | Path, input: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command whose files may have at most `limit` bytes each."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrion", *map(str, arguments)],
        input=input,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.mark.parametrize("limit", [500_000, 900_000])
def test_each_command_is_answered_and_succeeds_once_the_limit_is_gone(database: Path, limit: int) -> None:
    ended = limited(limit, "dispatch", database, "--concurrency", "8", input=lines_of(COMMANDS))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "command " not in ended.stderr
    before = {answer["commandId"]: answer for answer in answers_of(ended.stdout)}
    accepted = {key for key, answer in before.items() if answer["status"] == "accepted"}
    failed = {key: answer["error"] for key, answer in before.items() if answer["status"] == "failed"}
    assert len(accepted) + len(failed) == len(COMMANDS)
    assert accepted
    assert failed
    assert all(ADVICE in error or "the disk is full" in error for error in failed.values())
    report = json.loads(done("verify", database, "--json"))
    assert (report["findings"], report["head"]) == ([], len(accepted))
    after: list[dict[str, Any]] = answers_of(done("dispatch", database, input=lines_of(COMMANDS)))
    assert {answer["commandId"] for answer in after if answer["duplicate"]} == accepted
    assert snapshot_of(database)["snapshotSequence"] == len(COMMANDS)


@pytest.mark.parametrize("limit", [2_000, 8_000, 40_000, 100_000, 160_000])
def test_a_database_that_cannot_be_made_is_refused_in_one_line(database: Path, limit: int) -> None:
    ended = limited(limit, "dispatch", database, input=lines_of(COMMANDS[:1]))
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"orchestrion: {database}: ")
    assert ADVICE in line or "make room and try again" in line
    done("dispatch", database, input=lines_of(COMMANDS[:1]))
    assert "Nothing found: 1 events" in done("verify", database)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room_is_an_error_and_not_a_part_of_it(
    database: Path, tmp_path: Path, unbuffered: str
) -> None:
    done("dispatch", database, input=lines_of(COMMANDS))
    with (tmp_path / "events.jsonl").open("wb") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrion", "events", str(database)],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        )
    assert (ended.returncode, ended.stderr) == (1, "orchestrion: [Errno 27] File too large\n")


@pytest.mark.parametrize("command", ["rebuild", "backup"])
def test_failing_copy_prints_one_line_and_leaves_nothing(database: Path, tmp_path: Path, command: str) -> None:
    done("dispatch", database, input=lines_of(COMMANDS))
    expected = snapshot_of(database)
    before = sorted(tmp_path.iterdir())
    target = [tmp_path / "backup.db"] if command == "backup" else []
    ended = limited(300_000, command, database, *target)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
    assert snapshot_of(database) == expected
    done(command, database, *target)
