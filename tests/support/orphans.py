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
from typing import Final

import pytest

from orchestrion.testing.processes import MarkedProcess, mark_processes, marked_processes

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary"]

ENDED_WITHIN_SECONDS = 30.0
"""A guardian promises two, after the death of its host; a machine that is busy gives them to it late."""

_POLL_SECONDS: Final = 0.02
_found = pytest.StashKey[list[MarkedProcess]]()


def pytest_configure(config: pytest.Config) -> None:
    """Mark what this process starts, workers included, which then find the mark set."""
    if not _is_worker(config):
        mark_processes(anew=True)


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


def _left() -> list[MarkedProcess]:
    """What has not ended in time."""
    deadline = time.monotonic() + ENDED_WITHIN_SECONDS
    while (left := marked_processes()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
