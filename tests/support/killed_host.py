"""Runs `crash_host` in its own process and kills it with SIGKILL while it works."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import peewee

from orchestrion.contracts.events import PersistedEvent
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.event_store import EventPage, read_events
from orchestrion.persistence.positions import read_positions
from orchestrion.persistence.projections import PROJECTIONS
from tests.support.projection_oracle import fold
from tests.support.projection_scenarios import rows_of

_ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(path: Path, how: str, *, after_reports: int) -> list[tuple[int, ...]]:
    """Kill the host right after this many reports; return the reports."""
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.support.crash_host", str(path), how], stdout=subprocess.PIPE, cwd=_ROOT
    )
    assert host.stdout is not None
    with host, host.stdout:
        lines = [host.stdout.readline() for _ in range(after_reports)]
        host.kill()
        lines += host.stdout.readlines()
    return [tuple(map(int, line.split())) for line in lines if line.endswith(b"\n")]


def read_log(database: peewee.SqliteDatabase) -> list[PersistedEvent]:
    events = read_events(database, EventPage(after=0, limit=1_000_000))
    persisted = [event for event in events if isinstance(event, PersistedEvent)]
    assert len(persisted) == len(events)
    return persisted


def assert_left_whole(path: Path) -> Sequence[PersistedEvent]:
    """Assert that the killed host's log has no gap and each projection's rows are those of its position."""
    database = open_reader(path)
    try:
        log = read_log(database)
        assert [event.sequence for event in log] == list(range(1, len(log) + 1))
        positions = read_positions(database)
        for one in PROJECTIONS:
            position = positions[one.name]
            table = one.model._meta.table_name
            assert rows_of(database, one.model) == fold(log[: position.last_applied_sequence])[table], table
        return log
    finally:
        database.close()
