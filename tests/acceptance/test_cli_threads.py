"""`threads`, `show` and `timeline`: what a person reads of the database that is theirs by default."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command_line import dispatch_script, done, lines_of, orchestrion, project_create
from tests.support.prepared import run_prepared


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The thread of README's script, and one whose turns an agent ran."""
    path = tmp_path_factory.mktemp("threads") / "state.db"
    dispatch_script(path)
    workspace = path.with_name("workspace")
    workspace.mkdir()
    script = "say **hello**\nwrite a.txt hi\nplan one; two"
    arguments = ("--agent", "rehearsal", "--workspace", workspace, "--approve", "always", "--thread", "greeting")
    for prompt in (script, "fail on purpose"):
        orchestrion("run", path, prompt, *arguments)
    return path


def test_threads_lists_what_changed_last_first(database: Path) -> None:
    listed = json.loads(done("threads", "--db", database, "--json"))
    assert [one["id"] for one in listed] == ["greeting", "price-list", "opening-hours"]
    first, *rows = done("threads", "--db", database).splitlines()
    assert first.split()[:2] == ["thread", "title"]
    assert [row.split()[0] for row in rows] == ["greeting", "price-list", "opening-hours"]
    assert "failed" in rows[0]


def test_show_prints_a_conversation_with_tools_folded(database: Path) -> None:
    shown = done("show", "greeting", "--db", database)
    lines = [line.strip() for line in shown.splitlines()]
    assert lines.index("> say **hello**") < lines.index("**hello**") < lines.index("✓ Write a.txt")
    assert lines.count("✓ Write a.txt") == 1
    assert "! on purpose" in shown
    assert '"itemId"' not in shown
    assert '"itemId"' in done("show", "greeting", "--db", database, "--details")


def test_show_has_a_line_for_each_waiting_turn(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    dispatch_script(database)
    assert "… waits to run: And of rolls." in done("show", "price-list", "--db", database).splitlines()
    assert "waits to run" not in done("show", "opening-hours", "--db", database)


def test_thread_is_found_by_a_part_of_its_id(database: Path) -> None:
    assert json.loads(done("show", "gre", "--db", database, "--json"))["id"] == "greeting"
    assert json.loads(done("show", "hours", "--db", database, "--json"))["id"] == "opening-hours"
    assert json.loads(done("show", "last", "--db", database, "--json"))["id"] == "greeting"
    missing = orchestrion("show", "none", "--db", database)
    assert (missing.returncode, missing.stderr) == (1, "orchestrion: thread 'none' does not exist\n")


def test_ambiguous_part_of_an_id_is_refused(tmp_path: Path) -> None:
    create = {"type": "thread.create", "projectId": "project-1", "title": "T", "branch": None, "worktreePath": None}
    threads = [
        {**create, "commandId": f"t-{name}", "threadId": name, "createdAt": "2026-03-01T12:00:00Z"}
        for name in ("part-one", "part-two")
    ]
    done("dispatch", tmp_path / "state.db", input=lines_of([project_create(1), *threads]))
    refused = orchestrion("show", "part", "--db", tmp_path / "state.db")
    assert refused.returncode == 1
    assert "2 threads begin or end with 'part'" in refused.stderr


def test_timeline_shows_turns_and_how_long_their_parts_took(database: Path) -> None:
    spans = json.loads(done("timeline", "greeting", "--db", database, "--json"))
    turns = [one["text"] for one in spans if one["isTurn"]]
    assert turns == ["turn 1: completed", "turn 2: failed"]
    texts = [one["text"] for one in spans]
    assert texts.index("turn 1: completed") < texts.index("Write a.txt") < texts.index("turn 2: failed")
    assert any(text.startswith("the workspace is captured: 1 file") for text in texts)
    assert [one["sequence"] for one in spans] == sorted(one["sequence"] for one in spans)
    assert "turn 2: failed" in done("timeline", "greeting", "--db", database)


@pytest.mark.parametrize("variable", ["ORCHESTRION_DB", "XDG_STATE_HOME"])
def test_database_is_found_by_the_environment(database: Path, tmp_path: Path, variable: str) -> None:
    home = tmp_path / "orchestrion"
    home.mkdir()
    (home / "state.db").symlink_to(database)
    value = str(database) if variable == "ORCHESTRION_DB" else str(tmp_path)
    environment = {name: text for name, text in os.environ.items() if name not in ("ORCHESTRION_DB", "XDG_STATE_HOME")}
    listed = run_prepared(["threads", "--json"], input=b"", environment={**environment, variable: value}, timeout=240)
    assert [one["id"] for one in json.loads(listed.stdout)] == ["greeting", "price-list", "opening-hours"]


def test_database_without_threads_says_how_to_start_one(tmp_path: Path) -> None:
    done("dispatch", tmp_path / "state.db", input=lines_of([project_create(1)]))
    assert done("threads", "--db", tmp_path / "state.db").startswith("There are no threads: start one")
