"""Sizes of the log: opening after a clean stop and after a crash, snapshots, rebuilding, and further writes."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from anyio.to_thread import run_sync

from orchestrion import EPOCH, AcpProvider, ThreadId, open_runtime
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.persistence.bootstrap import PAGE_EVENTS, ReplayRequest
from orchestrion.persistence.database import prepare
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.rebuild import rebuild

from .figures import Figure, at_least, at_most, median_of
from .filling import Filled, fill
from .floor import replay_floor
from .growth import after_many_events

__all__ = ["of_filled_databases"]

_SUFFIXES: Final = ("", "-wal", "-shm")


async def of_filled_databases(*, sizes: tuple[int, ...], rounds: int) -> list[Figure]:
    """Open, rebuild and snapshot figures for each size; memory and disk for the largest."""
    figures: list[Figure] = []
    shortest: Filled | None = None
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        for size in sizes:
            clean = await run_sync(fill, Path(directory) / f"clean-{size}.db", size)
            killed = await run_sync(fill, Path(directory) / f"killed-{size}.db", size, True)
            at = f"{size:,} events"
            figures += await _opening(clean, killed, at, rounds)
            figures += await _snapshots(clean, at, rounds)
            if size >= 100_000:
                figures.append(await run_sync(_rebuilding, clean, at, rounds))
                figures += _footprint(clean, at)
            shortest = shortest or clean
            if clean is not shortest:
                name = f"cost of a delta, after {at} against after {shortest.events:,}"
                few = await run_sync(_copied, shortest.database, size)
                figures.append(await after_many_events(clean.database, few, name=name, rounds=rounds))
    return figures


async def _opening(clean: Filled, killed: Filled, at: str, rounds: int) -> list[Figure]:
    await _opened(clean.database)  # what is compiled once per process does not count as opening
    after_stop = [await _opened(clean.database) for _ in range(rounds)]
    after_crash: list[float] = []
    for number in range(rounds):
        copy = await run_sync(_copied, killed.database, number)
        after_crash.append(await _opened(copy, AcpProvider(rehearsal_command(state=copy.parent / "agent"))))
    return [
        Figure(
            name=f"open after a clean stop, {at}",
            value=statistics.median(after_stop),
            unit="ms",
            targets=(at_most(50),),
        ),
        Figure(name=f"open after a crash, {at}", value=statistics.median(after_crash), unit="ms"),
    ]


def _copied(database: Path, number: int) -> Path:
    """A copy of the database as the killed process left it, with its WAL."""
    copy = database.with_name(f"copy-{number}.db")
    for suffix in _SUFFIXES:
        if (file := Path(f"{database}{suffix}")).exists():
            shutil.copyfile(file, f"{copy}{suffix}")
    return copy


async def _opened(database: Path, *providers: AcpProvider) -> float:
    began = time.perf_counter()
    async with open_runtime(database, providers=providers):
        return (time.perf_counter() - began) * 1000


async def _snapshots(filled: Filled, at: str, rounds: int) -> list[Figure]:
    async with open_runtime(filled.database) as runtime:
        whole = await _took(runtime.get_snapshot, rounds)
        one = await _took(lambda: runtime.get_snapshot(thread_id=ThreadId("t0")), 4 * rounds)
    return [
        Figure(name=f"snapshot of everything, {at}", value=whole, unit="ms"),
        Figure(name=f"snapshot of one thread, {at}", value=one, unit="ms"),
    ]


async def _took(ask: Callable[[], Awaitable[object]], rounds: int) -> float:
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
        await anyio.lowlevel.checkpoint()
    return statistics.median(took)


def _rebuilding(filled: Filled, at: str, rounds: int) -> Figure:
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        with closing(prepare(filled.database, EPOCH)) as writer:
            began = time.perf_counter()
            rebuild(writer, ReplayRequest(projections=PROJECTIONS))
            rate = filled.events / (time.perf_counter() - began)
        found.append((rate, replay_floor(filled.database, page=PAGE_EVENTS)))
    return median_of(f"rebuild of all projections, {at}", "events/s", found, at_least(30_000))


def _footprint(filled: Filled, at: str) -> list[Figure]:
    per_thousand = filled.database_mb / filled.turns * 1000
    return [
        Figure(name=f"resident memory after {at}", value=filled.rss_mb, unit="MB", targets=(at_most(80),)),
        Figure(name="database, 1,000 turns of 20 deltas and 4 activities", value=per_thousand, unit="MB"),
    ]
