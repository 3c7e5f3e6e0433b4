"""What README shows is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import orchestrion as package
from tests.support.command_line import answers_of, done, snapshot_of

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_example_imports_what_is_exported_and_fits_one_screen() -> None:
    example = ast.parse(_block("python"))
    imported = {alias.name for node in ast.walk(example) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported <= set(package.__all__)
    assert README.index("```python") < README.index("## What it promises") < 4000


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
