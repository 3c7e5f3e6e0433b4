"""Growth: whether the cost of a delta depends on how much its thread, or the database, already holds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from orchestrion import Runtime, RuntimeOptions, open_runtime

from .figures import Figure, at_most, median_of
from .workload import Sent, Workload, delta

__all__ = ["after_many_events", "growing"]

CALLERS: Final = 64
_MESSAGE_DELTAS: Final = 200


async def growing(*, rounds: int, deltas: int, threads: int) -> list[Figure]:
    """Seconds per delta, as ratios: each figure's floor is the same work on little data."""
    return [await _turns(rounds), await _length(deltas), *await _threads(rounds, threads)]


async def after_many_events(many: Path, few: Path, *, name: str, rounds: int) -> Figure:
    """The same deltas after a long log and after a short one; both files grow by them."""
    found: list[tuple[float, float]] = []
    async with open_runtime(many) as long, open_runtime(few) as short:
        for number in range(rounds):
            sent = _spread(8, 2000, f"after-{number}")
            found.append((await _cost(long, sent), await _cost(short, sent)))
    return median_of(name, "µs", found, at_most(1.2, of="share"))


async def _turns(rounds: int) -> Figure:
    """A thread with 50 turns compared with a thread with one turn, in one database."""
    found: list[tuple[float, float]] = []
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        async with open_runtime(Path(directory) / "state.db") as runtime:
            workload = Workload(threads=2, turns=50)
            await _send_in_order(runtime, workload.opening())
            await _send_in_order(runtime, workload.turn(1, 1))
            for turn in range(1, 51):
                await _send_in_order(runtime, workload.turn(0, turn))
            for number in range(rounds):
                long = await _cost(runtime, _stream("t0", "turn-0-50", f"long-{number}", 2000))
                short = await _cost(runtime, _stream("t1", "turn-1-1", f"short-{number}", 2000))
                found.append((long, short))
    return median_of("cost of a delta, in a thread of 50 turns against 1", "µs", found, at_most(1.2, of="share"))


async def _length(deltas: int) -> Figure:
    """The last tenths of a long thread compared with its first ones."""
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        async with open_runtime(Path(directory) / "state.db") as runtime:
            workload = Workload(threads=1, turns=1)
            await _send_in_order(runtime, (*workload.opening(), *workload.turn(0, 1)))
            parts = [
                await _cost(runtime, _stream("t0", "turn-0-1", f"part-{number}", deltas // 10)) for number in range(10)
            ]
    return median_of(
        f"cost of a delta, at the end of {deltas:,} in one thread against their beginning",
        "µs",
        list(zip(parts[-3:], parts[1:4], strict=True)),
        at_most(1.2, of="share"),
    )


async def _threads(rounds: int, threads: int) -> list[Figure]:
    """The same deltas in a large database and in a small one; then deltas to threads that must be loaded first."""
    crowded, loading = [], []
    loaded = threads // 4
    async with _filled(threads, loaded) as many, _filled(CALLERS, loaded) as few:
        for number in range(rounds):
            sent = [_spread(CALLERS, threads, f"{kind}-{number}") for kind in ("many", "few")]
            crowded.append((await _cost(many, sent[0]), await _cost(few, sent[1])))
            known = await _cost(many, _spread(loaded // 2, threads, f"known-{number}"))
            loading.append((await _cost(many, _spread(threads, threads, f"loaded-{number}")), known))
    return [
        median_of(
            f"cost of a delta to one of 64 threads, in a database of {threads:,} threads against these alone",
            "µs",
            crowded,
            at_most(1.2, of="share"),
        ),
        median_of(f"cost of a delta to a thread not in memory, one of {threads:,}, against one that is", "µs", loading),
    ]


@asynccontextmanager
async def _filled(threads: int, loaded: int) -> AsyncIterator[Runtime]:
    """A new database with this many threads, of which `kept` stay in memory."""
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        async with open_runtime(Path(directory) / "state.db", options=RuntimeOptions(loaded_threads=loaded)) as runtime:
            await _send_in_order(runtime, Workload(threads=threads, turns=1).opening())
            yield runtime


def _stream(thread_id: str, turn_id: str, prefix: str, count: int) -> list[Sent]:
    return [
        delta(thread_id, f"{prefix}-m{number // _MESSAGE_DELTAS}", f"{prefix}-{number}", turn_id=turn_id)
        for number in range(count)
    ]


def _spread(over: int, count: int, prefix: str) -> list[Sent]:
    """Deltas that each begin a message, distributed over this many threads."""
    return [delta(f"t{i % over}", f"{prefix}-m{i}", f"{prefix}-{i}", turn_id="x") for i in range(count)]


async def _cost(runtime: Runtime, sent: list[Sent]) -> float:
    """Microseconds per command, with `CALLERS` callers, projection included."""
    rest = iter(sent)

    async def call() -> None:
        for command, actor in rest:
            await runtime.dispatch(command, actor=actor)

    began = time.perf_counter()
    async with anyio.create_task_group() as calling:
        for _ in range(CALLERS):
            calling.start_soon(call)
    await runtime.wait_until_projected(runtime.health().head)
    return (time.perf_counter() - began) / len(sent) * 1e6


async def _send_in_order(runtime: Runtime, sent: Iterable[Sent]) -> None:
    for command, actor in sent:
        await runtime.dispatch(command, actor=actor)
    await runtime.wait_until_projected(runtime.health().head)
