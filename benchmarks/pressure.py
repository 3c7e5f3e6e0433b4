"""Pressure: what a slow reader, a hung projector and a burst cost clients that have nothing to do with them (G9, G10).

Each scenario runs in its own process, so that its memory can be measured. Next to the load, another client dispatches a
command and reads a thread every few milliseconds. Its times and the peak of memory above the open runtime's are
compared with the same load alone.

Run as a module, it is such a process: its arguments are a scenario's name and a number of commands; it prints JSON.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias, get_args

import anyio
import attrs
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from orchestrion import Runtime, ThreadId, open_runtime
from orchestrion.persistence.projections.thread_activities import ThreadActivitiesProjection

from .figures import Figure, at_most, percentile
from .filling import resident_bytes
from .workload import Workload, delta

__all__ = ["under_pressure"]

Scenario: TypeAlias = Literal["alone", "slow reader", "hung projector", "burst"]

CALLERS: Final = 64
BURST_CALLERS: Final = 1000
NEIGHBOUR_PERIOD: Final = 0.01
READER_PERIOD: Final = 1.0
_MIB: Final = 1024**2


@attrs.frozen(kw_only=True)
class _Seen:
    """What one process measured. Times in milliseconds, memory in MiB."""

    rate: float
    dispatch_p50: float
    dispatch_p99: float
    read_p50: float
    grown: float


async def under_pressure(*, rounds: int, commands: int) -> list[Figure]:
    """The other client's times under each pressure as shares of its times under the same load alone, and the memory."""
    seen: dict[Scenario, list[_Seen]] = {}
    scenarios: tuple[Scenario, ...] = ("alone", "slow reader", "hung projector")
    for _ in range(rounds):
        for scenario in scenarios:
            seen.setdefault(scenario, []).append(await run_sync(_run, scenario, commands))
    alone = seen["alone"]
    figures = [Figure(name=f"{CALLERS} callers alone: memory", value=_grown(alone), unit="MiB")]
    for scenario in scenarios[1:]:
        figures += _beside(scenario, seen[scenario], alone)
    small = [await run_sync(_run, "burst", commands // 10) for _ in range(rounds)]
    large = [await run_sync(_run, "burst", commands) for _ in range(rounds)]
    name = f"burst of {commands:,} commands from {BURST_CALLERS:,} tasks"
    figures.append(Figure(name=f"{name}: commands", value=median(one.rate for one in large), unit="commands/s"))
    figures.append(_share(f"{name}: memory, beside a tenth of it", "MiB", _grown(large), _grown(small), 1.5))
    burst_read, read = (median(one.read_p50 for one in of) for of in (large, alone))
    figures.append(_share(f"{name}: a neighbour's read, p50, beside {CALLERS} callers", "ms", burst_read, read, None))
    return figures


def _beside(scenario: str, seen: Sequence[_Seen], alone: Sequence[_Seen]) -> list[Figure]:
    def ratio(what: str, name: str, bound: float | None) -> Figure:
        under, beside = (median(getattr(one, what) for one in of) for of in (seen, alone))
        return _share(f"{scenario}: {name}", "ms", under, beside, bound)

    return [
        ratio("dispatch_p50", "a neighbour's dispatch, p50", 1.2),
        ratio("dispatch_p99", "a neighbour's dispatch, p99", None),
        ratio("read_p50", "a neighbour's read, p50", 1.2),
        Figure(name=f"{scenario}: memory", value=_grown(seen), unit="MiB"),
    ]


def _grown(seen: Sequence[_Seen]) -> float:
    return median(one.grown for one in seen)


def _share(name: str, unit: str, value: float, floor: float, bound: float | None) -> Figure:
    targets = () if bound is None else (at_most(bound, of="share"),)
    return Figure(name=name, unit=unit, value=value, floor=floor, share=value / floor, targets=targets)


def _run(scenario: Scenario, commands: int) -> _Seen:
    arguments = [sys.executable, "-m", __name__, scenario, str(commands)]
    ended = subprocess.run(arguments, stdout=subprocess.PIPE, check=True)
    return _Seen(**json.loads(ended.stdout))


async def _measure(scenario: Scenario, commands: int) -> _Seen:
    callers = BURST_CALLERS if scenario == "burst" else CALLERS
    if scenario == "hung projector":
        _hang(ThreadActivitiesProjection)
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        async with open_runtime(Path(directory) / "state.db") as runtime, anyio.create_task_group() as beside:
            workload = Workload(threads=callers + 1)
            for command, actor in workload.opening():
                await runtime.dispatch(command, actor=actor)
            opened = resident_bytes()
            if scenario == "slow reader":
                beside.start_soon(_read_slowly, runtime)
            neighbour = _Neighbour(runtime, thread=callers)
            await neighbour.run_in(beside)
            began = time.perf_counter()
            async with anyio.create_task_group() as calling:
                for caller in range(callers):
                    calling.start_soon(_call, runtime, caller, commands // callers)
            took = time.perf_counter() - began
            beside.cancel_scope.cancel()
    return _Seen(
        rate=commands / took,
        dispatch_p50=percentile(neighbour.dispatched, 0.5),
        dispatch_p99=percentile(neighbour.dispatched, 0.99),
        read_p50=percentile(neighbour.read, 0.5),
        grown=(neighbour.most_resident - opened) / _MIB,
    )


@attrs.define
class _Neighbour:
    """Another client's thread: a command and a read every few milliseconds, and samples of the process's memory."""

    runtime: Runtime
    thread: int
    dispatched: list[float] = attrs.field(factory=list)
    read: list[float] = attrs.field(factory=list)
    most_resident: int = 0

    async def run_in(self, tasks: TaskGroup) -> None:
        tasks.start_soon(self._dispatch)
        tasks.start_soon(self._read)

    async def _dispatch(self) -> None:
        number = 0
        while True:
            command, actor = delta(f"t{self.thread}", "neighbour", f"neighbour-{number}", turn_id="none")
            began = time.perf_counter()
            await self.runtime.dispatch(command, actor=actor)
            self.dispatched.append((time.perf_counter() - began) * 1000)
            number += 1
            await anyio.sleep(NEIGHBOUR_PERIOD)

    async def _read(self) -> None:
        while True:
            began = time.perf_counter()
            await self.runtime.get_snapshot(thread_id=ThreadId(f"t{self.thread}"), detail="summary", allow_stalled=True)
            self.read.append((time.perf_counter() - began) * 1000)
            self.most_resident = max(self.most_resident, resident_bytes())
            await anyio.sleep(NEIGHBOUR_PERIOD)


async def _call(runtime: Runtime, caller: int, commands: int) -> None:
    for number in range(commands):
        command, actor = delta(f"t{caller}", f"m{caller}", f"{caller}/{number}", turn_id="none")
        await runtime.dispatch(command, actor=actor)


async def _read_slowly(runtime: Runtime) -> None:
    async with runtime.subscribe(0) as events:
        async for _ in events:
            await anyio.sleep(READER_PERIOD)


def _hang(projection: type[ThreadActivitiesProjection]) -> None:
    """Make every further batch of this projector fail for an external reason, so that it is retried."""

    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    setattr(projection, "apply", fail)  # noqa: B010 - mypy refuses the plain assignment of a deliberate fault


if __name__ == "__main__":
    scenario = next(one for one in get_args(Scenario) if one == sys.argv[1])
    found = anyio.run(_measure, scenario, int(sys.argv[2]))
    os.write(1, json.dumps(attrs.asdict(found)).encode())
