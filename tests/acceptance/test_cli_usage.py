"""The exit status and the standard error of every command."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest

from orchestrion.runtime.cli.app import app
from tests.support.command_line import dispatch_script, done, orchestrion


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("usage") / "state.db"
    dispatch_script(path)
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["--loud"],
        ["snapshot"],
        ["snapshot", ""],
        ["snapshot", "state.db", "extra"],
        ["dispatch", "state.db", "--concurrency", "0"],
        ["dispatch", "state.db", "--concurrency", "many"],
        ["events", "state.db", "--after", "-1"],
        ["turn-diff", "state.db", "thread", "2", "1"],
        ["turn-diff", "state.db", "thread", "one", "2"],
        ["backup", "state.db"],
        ["checkpoints", "prune", "state.db", "--safety-days", "36501"],
        ["checkpoints", "prune", "state.db", "--safety-days", "99999999999"],
    ],
)
def test_wrong_usage_exits_with_2_and_prints_the_usage(arguments: list[str]) -> None:
    ended = orchestrion(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: orchestrion")
    assert "Error: " in ended.stderr


def test_help_lists_the_commands_and_version_prints() -> None:
    context = click.Context(app)
    listed = dict(line.strip().split(maxsplit=1) for line in done("--help").partition("Commands:\n")[2].splitlines())
    assert {"demo", "dispatch", "run", "turn-diff", "verify"} < listed.keys()
    for name in listed:
        command = app.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_version_names_what_a_report_of_a_fault_needs() -> None:
    first, second, *agents = done("--version").splitlines()
    assert first.startswith("orchestrion, version ")
    assert second == f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    assert {line.split()[0] for line in agents} <= {"openai-codex", "claude-agent-sdk"}


@pytest.mark.lesson("L190")
@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (["--help"], {"anyio", "cattrs", "peewee", "rich", "orchestrion.persistence"}),
        (["sessions", "DB"], {"orchestrion.actors", "orchestrion.runtime.host"}),
        (["health", "DB"], {"orchestrion.actors", "orchestrion.runtime.host"}),
    ],
    ids=["help", "sessions", "health"],
)
def test_command_imports_only_what_it_needs(database: Path, arguments: list[str], left_out: set[str]) -> None:
    code = "import sys; from orchestrion.runtime.cli.app import run; run(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, *(str(database) if one == "DB" else one for one in arguments)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = set(ran.stdout.splitlines()[-1].split())
    assert "click" in imported
    assert imported & left_out == set()


@pytest.mark.parametrize("turns", [["-1", "1"], ["0", "-12"]])
def test_negative_turn_is_an_argument_and_named_in_the_error(turns: list[str]) -> None:
    ended = orchestrion("turn-diff", "state.db", "thread", *turns)
    assert ended.returncode == 2
    negative = next(turn for turn in turns if turn.startswith("-"))
    assert f"{negative} is not a turn: turns count from 0" in ended.stderr


@pytest.mark.parametrize("kind", ["word", "words", "option"])
def test_an_error_repeats_no_more_than_a_part_of_what_it_was_given(database: Path, kind: str) -> None:
    given = {"word": "x" * 130_000, "words": "x " * 60_000, "option": "--" + "x" * 130_000}[kind]
    ended = orchestrion("events", database, *([given] if kind == "option" else ["--thread", given]))
    assert (ended.returncode, ended.stdout) == (2 if kind == "option" else 1, "")
    assert ("xxxx" if kind == "option" else "thread 'x") in ended.stderr
    assert len(ended.stderr) < 2500


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_extra_names_the_command_that_installs_it(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom orchestrion.__main__ import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, timeout=180, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert missing in ended.stderr
    assert "pip install 'orchestrion[cli]'" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["snapshot", "events", "sessions", "verify", "dispatch"])
def test_closed_output_ends_the_command_silently(database: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrion", command, database],
            input=b"no command\n",
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=180,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_missing_standard_streams_are_no_file_of_the_database(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -m orchestrion dispatch "$1" <&- >&- 2>&-', sys.executable, database],
        timeout=180,
        check=False,
    )
    assert ended.returncode == 0
    assert "Nothing found: 0 events" in done("verify", database)
