"""Filling: a runtime in its own process makes a database with a given number of events.

Run as a module, it is that process: it fills the database, prints what it took, and either stops cleanly or is killed
while a turn runs and right after the last commands were answered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import anyio
import attrs

from orchestrion import Runtime, RuntimeOptions, open_runtime

from .workload import Workload

__all__ = ["Filled", "fill", "resident_bytes"]

CALLERS: Final = 64
_KIB: Final = 1024


@attrs.frozen(kw_only=True)
class Filled:
    """What the process measured when the database was full. The database is as the process left it."""

    database: Path
    events: int
    turns: int
    rss_mb: float
    database_mb: float


def fill(database: Path, events: int, crash: bool = False) -> Filled:
    """Fill a new database with about `events` events."""
    arguments = [sys.executable, "-m", __name__, str(database), str(events), *(["crash"] if crash else [])]
    ended = subprocess.run(arguments, stdout=subprocess.PIPE, check=False)
    if ended.returncode != (-signal.SIGKILL if crash else 0):
        raise RuntimeError(f"filling {database} ended with {ended.returncode}")
    return Filled(database=database, database_mb=database.stat().st_size / _KIB**2, **json.loads(ended.stdout))


def workload_of(events: int) -> Workload:
    """Threads of four turns each, enough to make up the events."""
    few = Workload(threads=1)
    return Workload(threads=max(1, round(events / (few.commands + few.turns))))


async def _fill(database: Path, events: int, *, crash: bool) -> None:
    workload = workload_of(events)
    workspace = database.parent / "workspace"
    await anyio.Path(workspace).mkdir(exist_ok=True)
    async with open_runtime(database, options=RuntimeOptions(durability="normal")) as runtime:
        for command, actor in workload.opening(workspace):
            await runtime.dispatch(command, actor=actor)
        async with anyio.create_task_group() as calling:
            for caller in range(CALLERS):
                calling.start_soon(_call, runtime, workload, caller)
        await runtime.wait_until_projected(runtime.health().head)
        measured = {
            "events": runtime.health().head,
            "turns": workload.threads * workload.turns,
            "rss_mb": resident_bytes() / _KIB**2,
        }
        print(json.dumps(measured), flush=True)
        if crash:
            for command, actor in list(workload.turn(0, workload.turns + 1))[: 2 + workload.deltas]:
                await runtime.dispatch(command, actor=actor)
            os.kill(os.getpid(), signal.SIGKILL)


async def _call(runtime: Runtime, workload: Workload, caller: int) -> None:
    for command, actor in workload.of_caller(caller, CALLERS):
        await runtime.dispatch(command, actor=actor)


def resident_bytes() -> int:
    """Of this process, now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    anyio.run(lambda: _fill(Path(sys.argv[1]), int(sys.argv[2]), crash="crash" in sys.argv[3:]))
