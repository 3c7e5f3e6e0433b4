"""`orchestrion chat`: prompts, commands between them, requests and interrupts, as a person types them."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import PIXEL
from tests.support.command_line import done
from tests.support.desk import DEADLINE_SECONDS, Desk, new_desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return new_desk(tmp_path)


def chat(desk: Desk, *lines: str) -> tuple[str, str]:
    """What a chat of these lines prints on its two outputs; requests are accepted."""
    with desk.chat("--approve", "always") as process:
        output, errors = process.communicate("".join(f"{line}\n" for line in lines), timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, errors
    return output, errors


def threads(desk: Desk) -> Any:
    return json.loads(done("threads", "--db", desk.database, "--json"))


def test_each_line_is_a_turn_of_one_thread(desk: Desk) -> None:
    printed, notes = chat(desk, "say good morning", "", "recall")
    assert printed.splitlines()[0] == "good morning"
    assert "I remember 1 turn" in printed
    (thread,) = threads(desk)
    assert (thread["title"], len(thread["turns"])) == ("say good morning", 2)
    assert notes.splitlines()[-1] == f"Continue with: --thread {thread['id']}"


def test_diff_and_revert_work_between_turns(desk: Desk) -> None:
    lines = ("say hello", "write a.txt hi", "/diff", "/revert 1", "say after", "/quit", "say nothing")
    printed, notes = chat(desk, *lines)
    assert "+hi" in printed
    assert "Going back to the end of turn 1" in notes
    assert printed.splitlines()[-1] == "after"
    assert not (desk.workspace / "a.txt").exists()


@pytest.mark.spec("E87")
def test_attached_file_goes_with_the_next_prompt_alone(desk: Desk) -> None:
    picture = desk.workspace / "a.png"
    picture.write_bytes(base64.b64decode(PIXEL))
    printed, notes = chat(desk, f"/attach {picture}", "see", "see")
    assert "a.png (image/png, 70 B) goes with the next prompt" in notes
    assert printed.splitlines() == ["images: 1: image/png of 70 bytes", "images: 0"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/nope", "there is no /nope"),
        ("/help", "/revert N"),
        ("/diff", "No turn has run yet"),
        ("/revert", "/revert needs the number of a turn"),
        ("/thread unknown", "thread 'unknown' does not exist"),
        ("/model small", "The model is small"),
        ("/attach nowhere.png", "nowhere.png is no regular file"),
    ],
)
def test_command_without_a_turn_is_answered(desk: Desk, line: str, answer: str) -> None:
    _, notes = chat(desk, line, "/quit")
    assert answer in notes


def test_thread_is_continued_and_another_one_started(desk: Desk) -> None:
    _, notes = chat(desk, "say one", "/new", "say two", "/threads")
    first, second = (
        next(one["id"] for one in threads(desk) if one["title"] == title) for title in ("say one", "say two")
    )
    assert f"* {second}" in notes
    assert f"  {first}" in notes
    assert "I remember 1 turn" in chat(desk, f"/thread {first}", "recall")[0]


def test_interrupt_ends_the_turn_and_the_chat_goes_on(desk: Desk) -> None:
    with desk.chat("--approve", "always") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write("exec sleep 1000\n")
        process.stdin.flush()
        while "- sleep 1000" not in process.stderr.readline():
            continue
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate("say on\n", timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert "The turn ended: interrupted" in errors
    assert output.splitlines()[-1] == "on"


def test_interrupt_without_a_turn_leaves(desk: Desk) -> None:
    with desk.chat() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("say hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == "hello\n"
        process.stdin.write("/help\n")
        process.stdin.flush()
        assert process.stderr is not None
        while "/quit" not in process.stderr.readline():
            continue
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
