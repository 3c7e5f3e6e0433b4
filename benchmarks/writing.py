"""Writing: commands per second, time to the answer, to the rows and to a subscriber, and the lateness of the loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import attrs

from orchestrion import Runtime, RuntimeOptions, open_runtime
from orchestrion.persistence.database import Durability

from .figures import Figure, Target, at_least, at_most, median_of, percentile
from .floor import read_log_rows, write_floor
from .workload import Sent, Workload, delta

__all__ = ["dispatching", "reaching_readers"]

CALLERS: Final = (1, 16, 64, 256)
LATENESS_PERIOD: Final = 0.005
_TARGETS: Final[dict[tuple[int, Durability], tuple[Target, ...]]] = {
    (1, "full"): (at_least(0.45, of="share"),),
    (64, "full"): (at_least(8000), at_least(0.25, of="share")),
}


@attrs.frozen(kw_only=True)
class _Run:
    """What one run measured, times in milliseconds."""

    rate: float
    floor: float
    acknowledged: list[float]
    lateness: list[float]


async def dispatching(*, rounds: int, seconds: float) -> list[Figure]:
    """Commands per second by callers and durability. Each round's floor writes groups of the same number of rows."""
    runs: dict[tuple[int, Durability], list[_Run]] = {}
    kinds: tuple[Durability, ...] = ("full", "normal")
    for _ in range(rounds):
        for durability in kinds:
            for callers in CALLERS:
                runs.setdefault((callers, durability), []).append(await _dispatch(callers, durability, seconds))
    figures: list[Figure] = []
    for (callers, durability), of_kind in runs.items():
        name = f"dispatch, {callers} caller{'s' if callers > 1 else ''}, {durability.upper()}"
        rates = [(run.rate, run.floor) for run in of_kind]
        figures.append(median_of(name, "commands/s", rates, *_TARGETS.get((callers, durability), ())))
        if durability == "full":
            figures += _latencies(name, of_kind)
    return figures


def _latencies(name: str, runs: list[_Run]) -> Iterator[Figure]:
    acknowledged = [one for run in runs for one in run.acknowledged]
    yield Figure(name=f"{name}: acknowledged, p50", value=percentile(acknowledged, 0.5), unit="ms")
    yield Figure(name=f"{name}: acknowledged, p99", value=percentile(acknowledged, 0.99), unit="ms")
    # The least of the rounds: other work on the machine can only add to it.
    lateness = min(percentile(run.lateness, 0.99) for run in runs)
    yield Figure(name=f"{name}: loop lateness, p99", value=lateness, unit="ms", targets=(at_most(5),))


async def _dispatch(callers: int, durability: Durability, seconds: float) -> _Run:
    threads = max(8, callers)
    expected = {1: 1500, 16: 6000, 64: 9000, 256: 9000}[callers] * seconds
    workload = Workload(threads=threads, turns=max(1, round(expected / threads / Workload().commands_of_turn)))
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        database = Path(directory) / "state.db"
        acknowledged: list[float] = []
        lateness: list[float] = []
        async with open_runtime(database, options=RuntimeOptions(durability=durability)) as runtime:
            for command, actor in workload.opening():
                await runtime.dispatch(command, actor=actor)
            opened = runtime.health().head
            parts = [list(workload.of_caller(caller, callers)) for caller in range(callers)]
            async with anyio.create_task_group() as watching:
                watching.start_soon(_watch_loop, lateness)
                began = time.perf_counter()
                async with anyio.create_task_group() as calling:
                    for part in parts:
                        calling.start_soon(_call, runtime, part, acknowledged)
                await runtime.wait_until_projected(runtime.health().head)
                took = time.perf_counter() - began
                watching.cancel_scope.cancel()
        rows = await anyio.to_thread.run_sync(lambda: read_log_rows(database, after=opened))
        floor = await anyio.to_thread.run_sync(lambda: write_floor(rows, group=callers, durability=durability))
    # A turn's start is one command and two events: the floor is converted to commands too.
    floor *= len(rows.receipts) / len(rows.events)
    return _Run(rate=workload.commands / took, floor=floor, acknowledged=acknowledged, lateness=lateness)


async def _call(runtime: Runtime, part: list[Sent], acknowledged: list[float]) -> None:
    for command, actor in part:
        began = time.perf_counter()
        await runtime.dispatch(command, actor=actor)
        acknowledged.append((time.perf_counter() - began) * 1000)


async def _watch_loop(lateness: list[float]) -> None:
    """Record how much later than planned the loop wakes a sleeper."""
    while True:
        due = time.perf_counter() + LATENESS_PERIOD
        await anyio.sleep(LATENESS_PERIOD)
        lateness.append(max(0.0, (time.perf_counter() - due) * 1000))


async def reaching_readers(*, commands: int) -> list[Figure]:
    """From the call of `dispatch` to the rows of all projections, and to a subscriber."""
    workload = Workload(threads=1, turns=1)
    projected: list[float] = []
    delivered: list[float] = []
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        async with open_runtime(Path(directory) / "state.db") as runtime:
            for command, actor in (*workload.opening(), *workload.turn(0, 1)):
                await runtime.dispatch(command, actor=actor)
            for number in range(commands):
                sent = delta("t0", "m", f"delta-{number}", turn_id="turn-0-1")
                async with runtime.subscribe(runtime.health().head) as events:
                    began = time.perf_counter()
                    result = await runtime.dispatch(sent.command, actor=sent.actor)
                    await anext(events)
                    delivered.append((time.perf_counter() - began) * 1000)
                    await runtime.wait_until_projected(result.sequence)
                    projected.append((time.perf_counter() - began) * 1000)
    return [
        Figure(
            name="dispatch to projected rows, p50", value=percentile(projected, 0.5), unit="ms", targets=(at_most(3),)
        ),
        Figure(name="dispatch to projected rows, p99", value=percentile(projected, 0.99), unit="ms"),
        Figure(name="dispatch to a subscriber, p50", value=percentile(delivered, 0.5), unit="ms"),
        Figure(name="dispatch to a subscriber, p99", value=percentile(delivered, 0.99), unit="ms"),
    ]
