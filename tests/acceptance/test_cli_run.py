"""`orchestrion run`: one turn from a terminal, with the agent that ships."""

from __future__ import annotations

import base64
import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.builders import PIXEL
from tests.support.desk import DEADLINE_SECONDS, Desk, new_desk
from tests.support.raw_files import files_with


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return new_desk(tmp_path)


def test_turn_streams_to_standard_output_and_names_its_thread(desk: Desk) -> None:
    finished = desk.run("--thread", "t1", "say Hello from the agent")
    assert (finished.returncode, finished.stdout) == (0, "Hello from the agent\n")
    assert "--thread t1" in finished.stderr
    assert [turn["status"] for turn in desk.thread("t1")["turns"]] == ["completed"]


def test_thread_goes_on_in_the_conversation_it_was_in(desk: Desk) -> None:
    desk.run("--thread", "t1", "say One")
    finished = desk.run("--thread", "t1", "recall")
    assert "I remember 1 turn" in finished.stdout
    assert len(desk.thread("t1")["turns"]) == 2


@pytest.mark.spec("E87")
def test_attached_files_reach_the_agent_and_are_shown(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(base64.b64decode(PIXEL))
    (tmp_path / "empty.txt").touch()
    finished = desk.run("--attach", str(tmp_path / "a.png"), "--attach", str(tmp_path / "a.png"), "see")
    assert (finished.returncode, finished.stdout) == (0, "images: 2: image/png of 70 bytes, image/png of 70 bytes\n")
    refused = desk.run("--attach", str(tmp_path / "empty.txt"), "see")
    assert refused.returncode == 2
    assert "empty.txt is empty" in refused.stderr


@pytest.mark.spec("E89")
def test_image_of_the_agent_is_a_line_with_its_name_and_size(desk: Desk) -> None:
    (desk.workspace / "a.png").write_bytes(base64.b64decode(PIXEL))
    finished = desk.run("draw a.png")
    assert "image.png (70 bytes)" in finished.stderr.splitlines()


@pytest.mark.parametrize(("approve", "exists"), [("always", True), ("never", False)])
def test_approvals_are_decided_by_the_option(desk: Desk, approve: str, exists: bool) -> None:
    finished = desk.run("--approve", approve, "write notes.txt hello")
    assert finished.returncode == 0
    assert (desk.workspace / "notes.txt").exists() is exists


@pytest.mark.parametrize(("typed", "exists"), [("perhaps\ny\n", True), ("n\n", False), ("", False)])
def test_approvals_are_asked_on_the_terminal_until_the_answer_is_one(desk: Desk, typed: str, exists: bool) -> None:
    finished = desk.run("write notes.txt hello", typed=typed)
    assert "[y]es, [a]lways, [n]o, [c]ancel" in finished.stderr
    assert (desk.workspace / "notes.txt").exists() is exists


QUESTIONS = "question Which colour?: red; blue\nsecret Your pin\nquestion Your name?"


@pytest.mark.spec("E124")
def test_questions_are_asked_and_each_line_answers_one(desk: Desk) -> None:
    finished = desk.run("--thread", "t1", QUESTIONS, typed="3\n2\nhunter2xyz\nMe\n")
    assert "  2) blue" in finished.stderr
    assert "That answer is none of the options" in finished.stderr
    assert "blue" in finished.stdout
    assert "Your pin: 10" in finished.stdout
    assert "Your name?: Me" in finished.stdout
    assert "hunter2xyz" not in finished.stdout + finished.stderr
    assert files_with(desk.directory, "hunter2xyz") == []


@pytest.mark.spec("E124")
@pytest.mark.parametrize(
    ("typed", "returncode", "said"),
    [("/decline\n", 0, "Your name?: declined"), ("", 0, "Your name?: declined"), ("/cancel\n", 130, "")],
)
def test_questions_are_declined_and_cancelled(desk: Desk, typed: str, returncode: int, said: str) -> None:
    finished = desk.run("--approve", "always", "question Your name?", typed=typed)
    assert (finished.returncode, finished.stdout.strip()) == (returncode, said)


@pytest.mark.spec("E124")
def test_a_secret_is_not_echoed_on_a_terminal(desk: Desk) -> None:
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "orchestrion", "run", str(desk.database), "secret Your pin"]
    process = subprocess.Popen(
        [*command, "--agent", "rehearsal", "--workspace", str(desk.workspace)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "XDG_STATE_HOME": str(desk.directory / "state")},
    )
    os.close(terminal)
    with process:
        shown = b""
        while b"not shown" not in shown:
            shown += os.read(controller, 1024)
        while termios.tcgetattr(controller)[3] & termios.ECHO:
            continue
        os.write(controller, b"hunter2xyz\n")
        with contextlib.suppress(OSError):  # the end of a terminal whose program has ended
            while more := os.read(controller, 1024):
                shown += more
        assert process.wait(DEADLINE_SECONDS) == 0
    os.close(controller)
    assert b"Your pin: 10" in shown
    assert b"hunter2xyz" not in shown


def test_failed_turn_exits_with_1_and_prints_the_reason(desk: Desk) -> None:
    finished = desk.run("--thread", "t1", "fail The model is away")
    assert finished.returncode == 1
    assert "The model is away" in finished.stderr


@pytest.mark.lesson("L194")
def test_unknown_mode_of_the_rehearsal_agent_is_named_without_a_path(desk: Desk) -> None:
    finished = desk.run("--mode", "xx", "say hi")
    assert finished.returncode == 1
    assert "The turn ended: the agent cannot switch to mode 'xx'" in finished.stderr


def test_interrupt_ends_the_turn_and_keeps_the_thread(desk: Desk) -> None:
    with desk.started("--thread", "t1", "say Working\nrun Step\nwait-for never.txt") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Working\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
    assert [turn["status"] for turn in desk.thread("t1")["turns"]] == ["interrupted"]
    assert "I remember 1 turn" in desk.run("--thread", "t1", "recall").stdout


def test_interrupt_takes_an_open_question_back(desk: Desk) -> None:
    with desk.started("--thread", "t1", "ask May I") as process:
        assert process.stderr is not None
        while "[y]es" not in process.stderr.readline():
            continue
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
    thread = desk.thread("t1")
    assert thread["pendingApprovals"] == []
    assert [turn["status"] for turn in thread["turns"]] == ["interrupted"]


def test_second_interrupt_ends_the_host(desk: Desk) -> None:
    with desk.started("--thread", "t1", "say Working\nrun Step\nhang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Working\n"
        process.send_signal(signal.SIGINT)
        while "thread.turn-interrupt-requested" not in desk.event_types():
            continue
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
    assert [turn["status"] for turn in desk.thread("t1")["turns"]] == ["interrupted"]


@pytest.mark.parametrize("agent", ["nobody", "acp:", "acp: "])
def test_unknown_agent_is_a_usage_error(desk: Desk, agent: str) -> None:
    finished = desk.run("--agent", agent, "hello")
    assert finished.returncode == 2
    assert "there are codex, claude, opencode" in finished.stderr
    assert "or use rehearsal, or acp:COMMAND" in finished.stderr
    assert not desk.database.exists()


@pytest.mark.spec("E61")
def test_misspelt_agent_is_answered_with_names_like_it(desk: Desk) -> None:
    finished = desk.run("--agent", "gemni", "hello")
    assert finished.returncode == 2
    assert "did you mean gemini?" in finished.stderr


@pytest.mark.spec("E62")
def test_agent_that_is_not_installed_says_how_to_install_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no agent is installed there
    finished = desk.run("--agent", "goose", "hello")
    assert finished.returncode == 1
    assert "the program 'goose' was not found: install it with `curl -fsSL" in finished.stderr


def test_missing_program_fails_visibly(desk: Desk) -> None:
    finished = desk.run("--agent", "acp:no-such-agent", "hello")
    assert finished.returncode == 1
    assert "'no-such-agent' was not found: install it" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_variables_of_the_command_line_reach_the_agent(desk: Desk) -> None:
    assert desk.run("--env", "GREETING=hello there", "exec echo $GREETING > seen.txt").returncode == 0
    assert (desk.workspace / "seen.txt").read_text() == "hello there\n"


def test_sandbox_that_the_agent_lacks_fails_the_turn(desk: Desk) -> None:
    finished = desk.run("--sandbox", "read-only", "say never")
    assert finished.returncode == 1
    assert "has no sandbox that its client could set" in finished.stderr
