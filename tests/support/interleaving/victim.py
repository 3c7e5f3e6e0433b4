"""A host in its own process that runs a program until it dies by SIGKILL.

It reports every command before it is sent and after it was answered, as a line of JSON each, which is in the pipe
before anything else happens. `run_victim` is the parent's side: the journal of these reports.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import anyio
import orjson
import pytest

from orchestrion.contracts.admission import command_json, parse_command
from tests.support.interleaving import program as program_module
from tests.support.interleaving.journal import Answer, Entry, Journal, Outcome
from tests.support.interleaving.program import Program
from tests.support.interleaving.world import World

_ROOT: Final = Path(__file__).resolve().parents[3]


def read_program(text: str) -> Program:
    """Parse a printed program."""
    program = eval(text, vars(program_module).copy())
    assert isinstance(program, Program)
    return program


def run_victim(directory: Path, program: Program, backend: str) -> tuple[Journal, int]:
    """Run a host on `directory` to its end; return its journal and its exit code."""
    host = subprocess.Popen(
        [sys.executable, "-m", __name__, str(directory), backend, repr(program)], cwd=_ROOT, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    journal = Journal()
    with host, host.stdout as outcome:
        for line in outcome:
            if line.endswith(b"\n"):
                _take(journal, orjson.loads(line))
    return journal, host.returncode


def _take(journal: Journal, line: dict[str, Any]) -> None:
    entry = journal.entry(parse_command(line["command"]))
    entry.expected_version = line["expectedVersion"]
    outcome: Outcome | list[Any] = line["outcome"]
    journal.note(entry, Answer(*outcome) if isinstance(outcome, list) else outcome)


def _report(entry: Entry, outcome: Answer | Outcome) -> None:
    line = {
        "command": command_json(entry.command),
        "expectedVersion": entry.expected_version,
        "outcome": outcome if isinstance(outcome, str) else [outcome.sequence, outcome.reason, outcome.duplicate],
    }
    os.write(1, orjson.dumps(line) + b"\n")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _run(directory: Path, program: Program) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(directory, patch, program, die=_die)
        world.journal.listener = _report
        await world.run()


if __name__ == "__main__":
    anyio.run(_run, Path(sys.argv[1]), read_program(sys.argv[3]), backend=sys.argv[2])
