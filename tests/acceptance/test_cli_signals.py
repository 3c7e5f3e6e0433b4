"""How the command line ends: by a signal at any moment, by a reader that goes away, by an invalid value."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.command_line import orchestrion
from tests.support.desk import DEADLINE_SECONDS, Desk, new_desk

SIGINT_IGNORED: Final = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""Start a process as a shell without job control starts background jobs."""

SIGNALS: Final = [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]

pytestmark = pytest.mark.lesson("L74")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return new_desk(tmp_path)


def wait_for_output(process: subprocess.Popen[str], text: bytes) -> None:
    assert process.stdout is not None
    seen = b""
    while text not in seen:
        assert select.select([process.stdout], [], [], DEADLINE_SECONDS)[0], seen
        chunk = os.read(process.stdout.fileno(), 4096)
        assert chunk, seen
        seen += chunk


def wait_for_file(process: subprocess.Popen[str], path: Path) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int | None, list[str]]:
    """The exit status and the lines of standard error of a process that ends by itself."""
    _, errors = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, errors.splitlines()


def is_brief(lines: list[str]) -> bool:
    return len(lines) <= 3 and not any("Traceback" in line for line in lines)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
    ids=["term", "hup", "int"],
)
def test_signal_during_a_turn_ends_it_with_the_documented_status(desk: Desk, number: int, status: int) -> None:
    with desk.started("say Working\nrun Step\nwait-for never.txt") as process:
        wait_for_output(process, b"Working")
        process.send_signal(number)
        code, lines = ended(process)
    assert (code, is_brief(lines)) == (status, True), lines
    assert desk.turn_statuses() == ["interrupted"]


@pytest.mark.parametrize("suffix", ["", ".lock", "-wal"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_signal_while_the_host_starts_ends_it(desk: Desk, suffix: str, number: int, status: int) -> None:
    with desk.started("say Working\nrun Step\nwait-for never.txt") as process:
        wait_for_file(process, Path(f"{desk.database}{suffix}"))
        process.send_signal(number)
        code, lines = ended(process)
    assert (code, is_brief(lines)) == (status, True), lines
    assert orchestrion("verify", desk.database).returncode in (0, 1)


def test_third_interrupt_ends_the_process_at_once(desk: Desk) -> None:
    with desk.started("say Working\nrun Step\nhang") as process:
        wait_for_output(process, b"Working")
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        code, lines = ended(process)
    assert (code, is_brief(lines)) == (130, True), lines


def test_background_job_of_a_script_is_interrupted_too(desk: Desk) -> None:
    with desk.started("say Working\nrun Step\nwait-for never.txt", under=SIGINT_IGNORED) as process:
        wait_for_output(process, b"Working")
        process.send_signal(signal.SIGINT)
        code, _ = ended(process)
    assert (code, desk.turn_statuses()) == (130, ["interrupted"])


def test_reader_that_goes_away_ends_the_run_silently(desk: Desk) -> None:
    with desk.started("slow 0.05\nsay " + "word " * 40) as process:
        wait_for_output(process, b"word")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
        code = process.wait(DEADLINE_SECONDS)
    assert (code, is_brief(errors.splitlines())) == (1, True), errors
    assert desk.turn_statuses() == ["interrupted"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["x" * 120_001], 1, "message.text"),
        (["  "], 2, "PROMPT"),
        (["--thread", "", "say hi"], 1, "threadId"),
        (["--model", "", "say hi"], 1, "model"),
    ],
    ids=["long prompt", "empty prompt", "empty thread", "empty model"],
)
def test_value_that_is_no_good_is_refused_before_anything_is_written(
    desk: Desk, arguments: list[str], status: int, message: str
) -> None:
    finished = desk.run(*arguments)
    assert (finished.returncode, finished.stdout) == (status, "")
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not desk.database.exists()


def test_mode_that_the_agent_does_not_know_is_a_usage_error(desk: Desk) -> None:
    codex = ["--agent", "codex", "--mode", "reckless", "say hi"]
    finished = desk.run(*codex)
    assert (finished.returncode, "read-only" in finished.stderr) == (2, True), finished


@pytest.mark.lesson("L75")
def test_thread_keeps_its_workspace(desk: Desk) -> None:
    """Another directory is refused, another path to the same one is not; the default is the thread's own."""
    elsewhere = desk.directory / "elsewhere"
    elsewhere.mkdir()
    by_link = desk.directory / "link"
    by_link.symlink_to(desk.workspace)
    assert desk.run("--thread", "t1", "exec echo 1 >> where.txt").returncode == 0
    finished = desk.run("--thread", "t1", "--workspace", str(elsewhere), "exec echo 2 >> where.txt")
    assert (finished.returncode, len(finished.stderr.splitlines())) == (1, 1), finished
    assert str(desk.workspace) in finished.stderr
    assert desk.run("--thread", "t1", "--workspace", str(by_link), "exec echo 3 >> where.txt").returncode == 0
    assert (desk.workspace / "where.txt").read_text() == "1\n3\n"
    assert not (elsewhere / "where.txt").exists()


def test_deleted_thread_is_refused_in_one_line(desk: Desk) -> None:
    assert desk.run("--thread", "t1", "say hi").returncode == 0
    delete = {"type": "thread.delete", "commandId": "d1", "threadId": "t1"}
    assert orchestrion("dispatch", desk.database, input=json.dumps(delete)).returncode == 0
    finished = desk.run("--thread", "t1", "say hi")
    assert (finished.returncode, len(finished.stderr.splitlines())) == (1, 1), finished
    assert "'t1' was deleted" in finished.stderr
