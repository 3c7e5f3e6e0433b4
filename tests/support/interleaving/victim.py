"""A host in a process of its own that runs a program until it dies of it, by SIGKILL.

It tells of every command before it is sent and after it was answered, a line of JSON each, in the pipe before the next
thing happens. `run_victim` is its parent's end: the journal of what was told.
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
from tests.support.interleaving.journal import Answer, Entry, Journal, Told
from tests.support.interleaving.program import Program
from tests.support.interleaving.world import World

_ROOT: Final = Path(__file__).resolve().parents[3]


def read_program(text: str) -> Program:
    """The program that was printed so."""
    program = eval(text, vars(program_module).copy())
    assert isinstance(program, Program)
    return program


def run_victim(directory: Path, program: Program, backend: str) -> tuple[Journal, int]:
    """Run a host on `directory` to its end; what it told, and its exit code."""
    host = subprocess.Popen(
        [sys.executable, "-m", __name__, str(directory), backend, repr(program)], cwd=_ROOT, stdout=subprocess.PIPE
    )
    assert host.stdout is not None
    journal = Journal()
    with host, host.stdout as told:
        for line in told:
            if line.endswith(b"\n"):
                _take(journal, orjson.loads(line))
    return journal, host.returncode


def _take(journal: Journal, line: dict[str, Any]) -> None:
    entry = journal.entry(parse_command(line["command"]))
    entry.expected_version = line["expectedVersion"]
    told: Told | list[Any] = line["told"]
    journal.note(entry, Answer(*told) if isinstance(told, list) else told)


def _tell(entry: Entry, told: Answer | Told) -> None:
    line = {
        "command": command_json(entry.command),
        "expectedVersion": entry.expected_version,
        "told": told if isinstance(told, str) else [told.sequence, told.reason, told.duplicate],
    }
    os.write(1, orjson.dumps(line) + b"\n")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _run(directory: Path, program: Program) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(directory, patch, program, die=_die)
        world.journal.listener = _tell
        await world.run()


if __name__ == "__main__":
    anyio.run(_run, Path(sys.argv[1]), read_program(sys.argv[3]), backend=sys.argv[2])
