"""No process outlives the test that started it: checked over the whole run, however a process got away.

Every process that a test starts inherits the run's mark in its environment, in whatever session or group it hides, and
the name of the test, which pytest keeps there. When all workers have ended, the processes that bear the mark are the
orphans: they are named with their tests, killed, and fail the run. Needs `/proc`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import attrs
import pytest

__all__ = ["processes_of_test", "pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]

MARK: Final = "ORCHESTRION_TEST_RUN"
ENDED_WITHIN_SECONDS = 30.0
"""A guardian promises two, after the death of its host; a machine that is busy gives them to it late."""

TEST: Final = "PYTEST_CURRENT_TEST"
_POLL_SECONDS: Final = 0.02
_found = pytest.StashKey[list["Orphan"]]()


@attrs.frozen
class Orphan:
    pid: int
    command: str
    test: str


def pytest_configure(config: pytest.Config) -> None:
    """Mark what this process starts, workers included, which then find the mark set."""
    if not _is_worker(config):
        os.environ[MARK] = uuid4().hex


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    yield
    if _is_worker(session.config):
        return
    left = session.config.stash[_found] = _left()
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        for orphan in left:
            with suppress(ProcessLookupError):
                os.kill(orphan.pid, signal.SIGKILL)
        _left()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left = config.stash.get(_found, [])
    terminalreporter.write_line(f"orphans: {len(left)}", red=bool(left))
    for orphan in left:
        terminalreporter.write_line(f"ORPHAN {orphan.pid} ({orphan.command}) of {orphan.test}", red=True)


def processes_of_test() -> list[int]:
    """The living processes that the running test has started, and what they started."""
    test = os.environ[TEST].rpartition(" ")[0]
    return [orphan.pid for orphan in _marked(os.environ[MARK]) if orphan.test == test and orphan.pid != os.getpid()]


def _left() -> list[Orphan]:
    """What has not ended in time."""
    deadline = time.monotonic() + ENDED_WITHIN_SECONDS
    while (left := _marked(os.environ[MARK])) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _marked(mark: str) -> list[Orphan]:
    return [
        Orphan(pid, _command(pid), environment.get(TEST.encode(), b"no test").decode().rpartition(" ")[0])
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
        if (environment := _environment(pid)).get(MARK.encode()) == mark.encode()
    ]


def _environment(pid: int) -> dict[bytes, bytes]:
    """The environment that a process was started with; nothing for one that is gone, a zombie, or somebody else's."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (entry.partition(b"=") for entry in entries)}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:120]
    except OSError:
        return "gone"
