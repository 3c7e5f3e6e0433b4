"""A directory with a workspace and a database, in which `orchestrion run` and `chat` run turns as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from tests.support.command_line import done

DEADLINE_SECONDS: Final = 180


@attrs.frozen(kw_only=True)
class Desk:
    """A database, a workspace, and the directory of the rehearsal agent's sessions."""

    directory: Path

    @property
    def database(self) -> Path:
        return self.directory / "state.db"

    @property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a turn to its end; `typed` is its standard input."""
        with self.started(*arguments) as process:
            output, errors = process.communicate(typed, timeout=DEADLINE_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    @contextmanager
    def started(self, *arguments: str, under: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
        """A running turn, started by the command `under`; it is killed at the end of the block."""
        with self.process("run", str(self.database), *arguments, under=under) as process:
            yield process

    @contextmanager
    def chat(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A running `orchestrion chat`; it is killed at the end of the block."""
        with self.process("chat", "--db", str(self.database), *arguments) as process:
            yield process

    @contextmanager
    def process(self, *arguments: str, under: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
        """A command with the rehearsal agent in the workspace, unless its arguments say otherwise."""
        command, *rest = arguments
        usual = ["--agent", "rehearsal", "--workspace", str(self.workspace)]
        process = subprocess.Popen(
            [*under, sys.executable, "-m", "orchestrion", command, *usual, *rest],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self.directory / "state"), "PYTHONUNBUFFERED": "1"},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def thread(self, thread_id: str) -> Any:
        return json.loads(done("snapshot", self.database, "--thread", thread_id, "--json"))["threads"][0]

    def turn_statuses(self) -> list[str]:
        """The statuses of all turns of all threads."""
        document = json.loads(done("snapshot", self.database, "--json"))
        return [turn["status"] for thread in document["threads"] for turn in thread["turns"]]

    def event_types(self) -> list[str]:
        return [json.loads(line)["eventType"] for line in done("events", self.database).splitlines()]


def new_desk(directory: Path) -> Desk:
    """A desk with an empty workspace."""
    desk = Desk(directory=directory)
    desk.workspace.mkdir()
    return desk
