"""The real command line as a process, and README's script of commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.prepared import run_prepared

README_SCRIPT: Final = Path(__file__).with_name("readme_script.jsonl")
README_SNAPSHOT: Final = Path(__file__).with_name("readme_snapshot.json")

_COMMAND: Final = (sys.executable, "-m", "orchestrion")
_DEADLINE_SECONDS: Final = 240
_ENVIRONMENT: Final = {"PYTHONIOENCODING": "utf-8", "NO_COLOR": ""}


def orchestrion(*arguments: str | Path, input: str | bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    ended = run_prepared(
        [str(argument) for argument in arguments],
        input=input.encode() if isinstance(input, str) else input,
        environment={**os.environ, **_ENVIRONMENT},
        timeout=_DEADLINE_SECONDS,
    )
    return subprocess.CompletedProcess(ended.args, ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def done(*arguments: str | Path, input: str | bytes = b"") -> str:
    """Run one command that must exit with 0 and print nothing on standard error; return its output."""
    ended = orchestrion(*arguments, input=input)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def answers_of(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def dispatch_script(database: Path, *options: str) -> list[dict[str, Any]]:
    """Feed the README's script to `orchestrion dispatch`; return the answers."""
    return answers_of(done("dispatch", database, "--internal", *options, input=README_SCRIPT.read_bytes()))


def snapshot_of(database: Path, *options: str) -> Any:
    """The snapshot as JSON, with "minted" for the ids that the runtime gave to waiting turns and their requests."""
    snapshot = json.loads(done("snapshot", database, "--json", *options))
    for thread in snapshot["threads"]:
        for waiting in thread["queue"]:
            assert len({waiting["turnId"], waiting["eventId"]}) == 2
            waiting |= {"turnId": "minted", "eventId": "minted"}
    return snapshot


def expected_snapshot() -> Any:
    return json.loads(README_SNAPSHOT.read_text(encoding="utf-8"))


def project_create(number: int, **fields: Any) -> dict[str, Any]:
    """A `project.create` in wire form."""
    return {
        "type": "project.create",
        "commandId": f"create-{number}",
        "projectId": f"project-{number}",
        "title": f"Project {number}",
        "workspaceRoot": f"/srv/project-{number}",
        "createdAt": "2026-03-01T12:00:00.000Z",
        **fields,
    }


def lines_of(commands: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(command) + "\n" for command in commands)


class LiveCommand:
    """A running command with pipes. It is killed when the block is left or a deadline has passed."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [*_COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._deadline = threading.Timer(_DEADLINE_SECONDS, self.process.kill)
        self._deadline.start()

    def send(self, command: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def next_line(self) -> Any:
        """The next line of output, as JSON. Waits for it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the output has ended"
        return json.loads(line)

    def ask(self, command: dict[str, Any]) -> Any:
        self.send(command)
        return self.next_line()

    def end(self) -> tuple[int, bytes, str]:
        """End the input and wait: exit status, the rest of the output, standard error."""
        rest, errors = self.process.communicate()
        return self.process.returncode, rest, errors.decode()

    def signal(self, number: int) -> tuple[int, bytes, str]:
        """Send a signal, keep the input open, and wait as `end` does."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.send_signal(number)
        rest, errors = self.process.stdout.read(), self.process.stderr.read()
        return self.process.wait(), rest, errors.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadline.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
