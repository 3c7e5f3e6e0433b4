"""The victim of the torture: one database, and a host that runs and dies on it, life after life.

Each life ends by SIGKILL: by itself at an armed crash point, or from outside after a number of reported lines or of
seconds. After each, the file is checked; the next life sends unconfirmed commands again.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs
import orjson

from orchestrion.persistence.crash_points import VARIABLE, CrashPoint
from tests.support.git import Repository
from tests.support.torture_checks import (
    Fault,
    Journal,
    agent_processes,
    check_at_rest,
    check_settled,
    head_of,
    is_migrated,
)

__all__ = ["Backend", "Death", "Kill", "Victim"]

Backend: TypeAlias = Literal["asyncio", "trio"]

ROOT: Final = Path(__file__).resolve().parents[2]
LIFE_DEADLINE_SECONDS: Final = 180.0
SPENT_SECONDS: Final = 10.0
"""How long an idle host may take to reach a point: its clocks tick once per second."""
ORPHANS_DEADLINE_SECONDS: Final = 60.0


@attrs.frozen(kw_only=True)
class Kill:
    """How a life ends: at the n-th visit of a point, after a number of reported lines, or after a while."""

    backend: Backend
    point: CrashPoint | None = None
    times: int = 1
    after_lines: int | None = None
    after_seconds: float | None = None


@attrs.frozen(kw_only=True)
class Death:
    """How it ended. `at_point` is whether the armed point, and no other signal, ended the life."""

    at_point: bool
    events: int
    faults: tuple[Fault, ...]


class Victim:
    """One database, and the host that runs and dies on it."""

    def __init__(self, directory: Path, *, commands: int = 600) -> None:
        self.database = directory / "torture.db"
        self.journal = Journal()
        self._commands = commands
        self._agents = directory / "agents"
        self._workspaces = directory / "workspaces"
        self._again = directory / "again.jsonl"
        self._errors = directory / "errors.txt"
        self._lives = 0
        self._orphans: set[tuple[int, int | None]] = set()
        (self._workspaces / "plain").mkdir(parents=True)
        repository = Repository.init(self._workspaces / "git")
        repository.write("README.md", "a workspace\n")
        repository.commit_all()

    def die(self, kill: Kill) -> Death:
        """Run the host until it is killed, and check what it left."""
        if kill.point is not None and kill.point.startswith("rebuild."):
            self._outdate_projections()
        before = head_of(self.database)
        process = self._start(kill.backend, settles=False, point=kill.point, times=kill.times)
        reaper = _Reaper(process)
        if kill.after_seconds is None:
            reaper.end_within(LIFE_DEADLINE_SECONDS, is_late=True)
        else:
            reaper.end_within(kill.after_seconds)
        faults: list[Fault] = []
        for lines, line in enumerate(_lines(process), start=1):
            faults += self._take(line)
            if lines == kill.after_lines or _is_stuck(line):
                reaper.end_now()
            if b'"spent"' in line:
                reaper.end_within(SPENT_SECONDS if kill.point else 0.0)
        code = process.wait()
        reaper.cancel()
        if code != -signal.SIGKILL:
            faults.append(Fault("stuck", f"the host ended with {code}: {self._last_errors()}"))
        if reaper.was_late:
            faults.append(Fault("stuck", f"the host neither died nor ended its work: {self._last_errors()}"))
        self._orphans = agent_processes(self._agents)
        if is_migrated(self.database):
            faults += check_at_rest(self.database, self.journal)
        elif self.journal.answers:
            faults.append(Fault("lost", "the whole database"))
        return Death(
            at_point=kill.point is not None and code == -signal.SIGKILL and not reaper.has_killed,
            events=head_of(self.database) - before,
            faults=tuple(faults),
        )

    def settle(self, backend: Backend) -> list[Fault]:
        """A last life: everything unanswered is sent again, everything open ends, the host stops."""
        process = self._start(backend, settles=True)
        reaper = _Reaper(process)
        reaper.end_within(LIFE_DEADLINE_SECONDS, is_late=True)
        faults: list[Fault] = []
        line = b""
        for line in _lines(process):
            faults += self._take(line)
            if _is_stuck(line):
                reaper.end_now()
        code = process.wait()
        reaper.cancel()
        if code != 0:
            faults.append(Fault("stuck", f"the host ended with {code} after {line!r}: {self._last_errors()}"))
        unanswered = self.journal.unconfirmed.keys() - self.journal.answers.keys()
        faults += [Fault("lost", f"no answer to {command}") for command in unanswered]
        self._orphans = agent_processes(self._agents)
        return (
            faults
            + self._check_orphans()
            + check_at_rest(self.database, self.journal)
            + check_settled(self.database, self._agents, self.journal)
        )

    def _start(
        self, backend: Backend, *, settles: bool, point: CrashPoint | None = None, times: int = 1
    ) -> subprocess.Popen[bytes]:
        self._lives += 1
        self._again.write_bytes(b"".join(self.journal.unconfirmed.values()))
        life = {
            "name": f"l{self._lives}",
            "database": str(self.database),
            "agents": str(self._agents),
            "workspaces": str(self._workspaces),
            "backend": backend,
            "again": str(self._again),
            "settles": settles,
            "commands": self._commands,
        }
        environment = {name: text for name, text in os.environ.items() if name != VARIABLE}
        if point is not None:
            environment[VARIABLE] = f"{point}:{times}"
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.support.torture_host", orjson.dumps(life).decode()],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def _take(self, line: bytes) -> list[Fault]:
        faults = list(self.journal.take(line))
        if b'"kind":"open"' in line:
            faults += self._check_orphans()
        return faults

    def _check_orphans(self) -> list[Fault]:
        """Assert that no agent of a dead host runs once the next one takes commands."""
        give_up = time.monotonic() + ORPHANS_DEADLINE_SECONDS
        left = self._orphans
        while left and time.monotonic() < give_up:
            left = self._orphans & agent_processes(self._agents)
        return [Fault("stuck", f"agent process {pid} of a dead host") for pid, _ in left]

    def _outdate_projections(self) -> None:
        if is_migrated(self.database):
            connection = sqlite3.connect(self.database)
            with connection:
                connection.execute("UPDATE orchestrion_projector_versions SET version = 0")
            connection.close()

    def _last_errors(self) -> str:
        return self._errors.read_text(errors="replace")[-2000:]


class _Reaper:
    """Kills a process now or later, and records whether it did."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._timer: threading.Timer | None = None
        self.has_killed = False
        self.was_late = False

    def end_now(self) -> None:
        if self._process.poll() is None:
            self.has_killed = True
            self._process.kill()

    def end_within(self, seconds: float, *, is_late: bool = False) -> None:
        self.cancel()
        self._timer = threading.Timer(seconds, self._end_late if is_late else self.end_now)
        self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end_late(self) -> None:
        self.was_late = True
        self.end_now()


def _is_stuck(line: bytes) -> bool:
    return b'"kind":"stuck"' in line


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The host's reports, to its end. A line that the kill cut off does not count."""
    assert process.stdout is not None
    with process.stdout as reports:
        for line in reports:
            if line.endswith(b"\n"):
                yield line
