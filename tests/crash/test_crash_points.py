"""A host that dies at any crash point leaves a sound database, and the next host completes all open work.

The short form of `make torture`: every point once, asyncio and trio in turn.
"""

from __future__ import annotations

import ast
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrion.persistence.crash_points import CRASH_POINTS, VARIABLE, CrashPoint
from tests.support.torture_checks import check_at_rest, check_settled
from tests.support.torture_victim import Backend, Kill, Victim

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("runtime", "actors", "persistence", "migrations")
TORTURED_POINTS = [point for point in CRASH_POINTS if not point.startswith(("revert.", "backup.", "blob.", "steer."))]
"""Those of reverts, backups, attachments and steering have tests of their own."""
REACHED_AFTER_A_DEATH = ("replay.", "rebuild.", "recovery.")
TIMES = {
    "command.": 25,
    "append.": 25,
    "dispatch.": 25,
    "projector.": 25,
    "turn.claimed": 4,  # with three threads, the fourth turn is the second of its thread: the turn is not queued
    "turn.handed-over": 4,
}
"""At which visit the host dies, by the beginning of the point's name; 1 for the others."""


def backend_of(number: int) -> Backend:
    return "trio" if number % 2 else "asyncio"


def kill(backend: Backend, point: CrashPoint) -> Kill:
    times = next((times for begin, times in TIMES.items() if point.startswith(begin)), 1)
    return Kill(backend=backend, point=point, times=times)


@pytest.mark.lesson("L1")
@pytest.mark.lesson("L2")
@pytest.mark.lesson("L21")
@pytest.mark.parametrize(("number", "point"), list(enumerate(TORTURED_POINTS)), ids=TORTURED_POINTS)
def test_a_host_that_dies_here_loses_nothing(number: int, point: CrashPoint, tmp_path: Path) -> None:
    victim = Victim(tmp_path, commands=150)
    backend = backend_of(number)
    if point.startswith(REACHED_AFTER_A_DEATH):
        first = victim.die(kill(backend, "turn.handed-over"))
        assert (first.at_point, first.faults) == (True, ())
    death = victim.die(kill(backend, point))
    assert death.at_point, f"{point} was not reached"
    assert [*death.faults, *victim.settle(backend_of(number + 1))] == []


@pytest.mark.parametrize("number", range(2))
def test_a_host_that_dies_at_a_random_instant_loses_nothing(number: int, tmp_path: Path) -> None:
    victim = Victim(tmp_path, commands=150)
    for lines in random.Random(number).sample(range(1, 300), 2):
        assert victim.die(Kill(backend=backend_of(number), after_lines=lines)).faults == ()
    assert victim.settle(backend_of(number)) == []


def test_checks_find_lost_and_doubled_commands(tmp_path: Path) -> None:
    victim = Victim(tmp_path, commands=50)
    assert victim.die(Kill(backend="asyncio", after_lines=100)).faults == ()
    assert victim.settle("asyncio") == []
    for statement, column in {
        "DELETE FROM orchestration_command_receipts WHERE command_id = 'setup/text-1'": "lost",
        "DELETE FROM orchestration_events WHERE command_id = 'setup/text-1'": "lost",
        "UPDATE orchestration_events SET command_id = 'setup/text-1' WHERE command_id = 'setup/text-2'": "doubled",
        "UPDATE projection_thread_messages SET text = text || '1 ' WHERE thread_id = 'text-0'": "doubled",
        "UPDATE projection_thread_messages SET text = '' WHERE thread_id = 'text-0'": "lost",
        "UPDATE projection_thread_messages SET is_streaming = 1 WHERE thread_id = 'text-0'": "stuck",
        "UPDATE projection_state SET last_applied_sequence = 1 WHERE projector = 'projection.threads'": "stuck",
        "DELETE FROM projection_threads WHERE thread_id = 'text-3'": "broken",
    }.items():
        damaged = tmp_path / "damaged.db"
        damaged.unlink(missing_ok=True)
        copy(victim.database, damaged, statement)
        faults = [
            *check_at_rest(damaged, victim.journal),
            *check_settled(damaged, tmp_path / "agents", victim.journal),
        ]
        assert column in {fault.column for fault in faults}, statement


def copy(database: Path, target: Path, statement: str) -> None:
    source, damaged = sqlite3.connect(database), sqlite3.connect(target)
    source.backup(damaged)
    with damaged:
        assert damaged.execute(statement).rowcount > 0
    source.close()
    damaged.close()


def used_points() -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Name(id="crash_point"), args=[ast.Constant(value=str(name))]):
                        yield name
                    case ast.Call(func=ast.Name(id="crash_point")):
                        pytest.fail(f"{path.name}:{node.lineno} names no point")


def test_every_crash_point_is_at_one_place() -> None:
    assert Counter(used_points()) == Counter(CRASH_POINTS)


def test_every_crash_point_is_armed_by_a_test() -> None:
    others = [path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    unarmed = [point for point in CRASH_POINTS if point not in TORTURED_POINTS]
    assert [point for point in unarmed if not any(f'"{point}"' in text for text in others)] == []


def test_a_name_that_is_no_crash_point_is_refused() -> None:
    module = "orchestrion.persistence.crash_points"
    environment = {**os.environ, VARIABLE: "append.comitted"}
    imported = subprocess.run(
        [sys.executable, "-c", f"import {module}"], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert imported.returncode == 1
    assert b"'append.comitted', which is no crash point" in imported.stderr
