"""The processes that a test has started, found by a mark in their environment.

Every process that a test starts inherits the run's mark, in whatever session or group it hides, and the name of the
test, which pytest keeps in the environment. Needs `/proc`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from uuid import uuid4

import attrs

__all__ = ["MARK", "TEST", "MarkedProcess", "mark_processes", "marked_processes", "processes_of_test"]

MARK: Final = "ORCHESTRION_TEST_RUN"
TEST: Final = "PYTEST_CURRENT_TEST"


@attrs.frozen
class MarkedProcess:
    """A process of this run. `test` is the test that started it."""

    pid: int
    command: str
    test: str


def mark_processes(*, anew: bool) -> None:
    """Mark what this process starts from now on. Not `anew`, a mark that it inherited remains."""
    if anew or MARK not in os.environ:
        os.environ[MARK] = uuid4().hex


def marked_processes() -> list[MarkedProcess]:
    """The living processes that bear this run's mark."""
    mark = os.environ[MARK].encode()
    return [
        MarkedProcess(pid, _command(pid), environment.get(TEST.encode(), b"no test").decode().rpartition(" ")[0])
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
        if (environment := _environment(pid)).get(MARK.encode()) == mark
    ]


def processes_of_test() -> list[int]:
    """The pids of the living processes that the running test has started, and what those started."""
    test = os.environ[TEST].rpartition(" ")[0]
    return [one.pid for one in marked_processes() if one.test == test and one.pid != os.getpid()]


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
