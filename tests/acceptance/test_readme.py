"""Statements of README that a test can check."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.command_line import answers_of, done, snapshot_of

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def _run_example(directory: Path) -> list[str]:
    workspace = directory / "workspace"
    workspace.mkdir(exist_ok=True)
    ran = subprocess.run(
        [sys.executable, "-c", _block("python")],
        cwd=workspace,
        env={**os.environ, "XDG_STATE_HOME": str(directory / "state")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_example_tells_a_story_and_shows_its_diff(tmp_path: Path) -> None:
    printed = _run_example(tmp_path)
    assert printed[0] == "(The notes have no greeting yet.)"
    assert printed.index("- Write notes.txt: started") < printed.index("? Write notes.txt: accepted")
    assert printed.index("- Write notes.txt: completed") < printed.index("completed")
    assert "The notes begin with a greeting now." in printed
    assert "+Good morning!" in printed
    assert (tmp_path / "workspace" / "notes.txt").read_text() == "Good morning!"


def test_example_is_the_one_that_is_type_checked() -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "first_turn.py"
    assert _block("python") == example.read_text(encoding="utf-8")


def test_example_comes_first() -> None:
    assert README.index("```python") < README.index("## Guarantees")


def test_script_gives_a_completed_turn_and_fed_again_changes_nothing(tmp_path: Path) -> None:
    database, script = tmp_path / "state.db", _block("jsonl")
    first = answers_of(done("dispatch", database, "--internal", input=script))
    assert [answer["status"] for answer in first] == ["accepted"] * 11
    taken = snapshot_of(database)
    [thread] = taken["threads"]
    assert [turn["status"] for turn in thread["turns"]] == ["completed"]
    assert [message["text"] for message in thread["messages"]] == ["Open on Sundays.", "Sundays it is, from nine."]
    assert [one["checkpointTurnCount"] for one in thread["checkpoints"]] == [1]
    again = answers_of(done("dispatch", database, "--internal", "--concurrency", "32", input=script))
    assert again == [{**answer, "duplicate": True} for answer in first]
    done("rebuild", database)
    assert snapshot_of(database) == taken
    done("verify", database)
