"""A projection that counts, and a host killed in and around its transaction: every event is counted once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrion.persistence.crash_points import VARIABLE
from tests.support.counting_host import counts_of

ROOT = Path(__file__).resolve().parents[2]
POINTS = ("projector.rows-written", "projector.position-written", "projector.committed")
KILLS = 6


def run_until_killed(path: Path, backend: str, *, at: str | None = None, after_reports: int = 0) -> None:
    """A host that dies at a point, or is killed after a number of reports."""
    environment = {**os.environ, **({VARIABLE: at} if at is not None else {})}
    command = [sys.executable, "-m", "tests.support.counting_host", str(path), backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as host:
        assert host.stdout is not None
        for line in host.stdout:
            after_reports -= 1
            if at is None and after_reports <= 0:
                assert line
                host.kill()
                break
        host.stdout.read()
        assert host.wait() == -9


@pytest.mark.lesson("L21")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_l21_a_counter_that_is_not_idempotent_counts_every_event_once(backend: str, tmp_path: Path) -> None:
    path, chance = tmp_path / "state.db", random.Random(backend)
    total = 0
    for number in range(KILLS):
        if number % 2:
            run_until_killed(path, backend, after_reports=chance.randint(20, 120))
        else:
            run_until_killed(path, backend, at=f"{POINTS[number // 2]}:{chance.randint(5, 40)}")
        counted, expected = counts_of(path)
        assert counted == expected
        assert sum(counted.values()) >= total
        total = sum(counted.values())
    assert total > 100
