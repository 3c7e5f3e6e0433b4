"""Hostile agents: what ten of them at once cost the host's memory, and a thread that works meanwhile.

Ten threads at a time have an agent each, in different modes of `tests/support/hostile_agent.py` or, if the Claude Agent
SDK is installed, `tests/support/hostile_claude.py`, wave after wave until every mode has run. Memory is the kernel's
peak during a wave, minus what was resident once every provider was open and an ordinary agent had run turns. What
earlier waves left behind counts too.

Meanwhile another thread runs turns of a paced agent. Their time is compared with turns during which as many processes
only use the processor: hostile agents do that too, and no host can return cores that they use. The time without load is
printed for comparison; it has a target only if the agents have cores of their own.

Run as a module, it is the measured process and prints JSON. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import attrs
from anyio.to_thread import run_sync

from orchestrion import (
    AcpProvider,
    ClaudeProvider,
    PersistedEvent,
    Provider,
    Runtime,
    RuntimeOptions,
    SessionLimits,
    ThreadId,
    ThreadSessionSetEvent,
    ThreadTurnStartRequested,
    open_runtime,
    parse_command,
)
from orchestrion.actors.providers.rehearsal import rehearsal_command
from tests.support import hostile_agent, hostile_claude

from .figures import Figure, at_most
from .filling import resident_bytes
from .workload import AT

__all__ = ["beside_hostile_agents"]

AT_ONCE: Final = 10
TURNS_BESIDE: Final = 5
WORST_MIB: Final = 150
GIVE_UP_SECONDS: Final = 60
CONTROL: Final = "busy"
PACED: Final = "slow 0.05\nsay " + "word " * 20
_MIB: Final = 1024**2


@attrs.frozen(kw_only=True)
class _Seen:
    """Memory in MiB above the idle host, times in seconds. `waves` has the modes and the peak of each wave."""

    grown: float
    alone: float
    beside_busy: float
    beside_hostile: float
    unfinished: list[str]
    waves: list[tuple[list[str], float]]


async def beside_hostile_agents() -> list[Figure]:
    seen: _Seen = await run_sync(_run)
    hostile = len(_modes())
    for modes, peak in seen.waves:
        print(f"# {peak:7.1f} MiB above idle: {', '.join(modes)}", file=sys.stderr)
    if seen.unfinished:
        print(f"# turns that did not end within {GIVE_UP_SECONDS} s: {', '.join(seen.unfinished)}", file=sys.stderr)
    return [
        Figure(
            name=f"{AT_ONCE} hostile agents at once, {hostile} modes: memory above the idle host",
            unit="MiB",
            value=seen.grown,
            targets=(at_most(WORST_MIB),),
        ),
        Figure(
            name=f"a turn beside {AT_ONCE} hostile agents, against {AT_ONCE} busy processes",
            unit="s",
            value=seen.beside_hostile,
            floor=seen.beside_busy,
            share=seen.beside_hostile / seen.beside_busy,
            targets=(at_most(1.2, of="share"),),
        ),
        Figure(
            name=f"a turn beside {AT_ONCE} hostile agents, against nothing beside it",
            unit="s",
            value=seen.beside_hostile,
            floor=seen.alone,
            share=seen.beside_hostile / seen.alone,
            targets=(at_most(1.2, of="share"),) if (os.cpu_count() or 1) > AT_ONCE else (),
        ),
    ]


def _run() -> _Seen:
    ended = subprocess.run([sys.executable, "-m", __name__], stdout=subprocess.PIPE, check=True)
    return _Seen(**json.loads(ended.stdout))


class _Peak:
    """The peak of resident memory since `reset`, as the kernel counts it: it misses no short peak."""

    @staticmethod
    def reset() -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    @staticmethod
    def read() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


async def _measure(modes: Sequence[str]) -> _Seen:
    waves = [list(modes[start : start + AT_ONCE]) for start in range(0, len(modes), AT_ONCE)]
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        providers = [_hostile(mode, Path(directory)) for mode in (*modes, CONTROL)]
        providers.append(AcpProvider(rehearsal_command(state=Path(directory) / "agent"), name="paced"))
        options = RuntimeOptions(
            choose_provider=lambda _, thread: thread.id.partition("/")[0],
            sessions=SessionLimits(inactivity_deadline=20, interrupt_deadline=3),
        )
        async with open_runtime(Path(directory) / "state.db", providers=providers, options=options) as runtime:
            await _send(runtime, "project.create", projectId="p", title="P", workspaceRoot=directory)
            for name in ("paced", *modes, *(f"{CONTROL}/{number}" for number in range(AT_ONCE))):
                worktree = Path(directory) / name.replace("/", "-")
                worktree.mkdir()
                fields = {"title": name, "model": "default", "branch": None, "worktreePath": str(worktree)}
                await _send(runtime, "thread.create", threadId=name, projectId="p", **fields)
            await _turn(runtime, "paced")
            alone = median([await _turn(runtime, "paced") for _ in range(TURNS_BESIDE)])
            idle = resident_bytes()
            peaks: list[tuple[list[str], float]] = []
            beside: list[float] = []
            unfinished: list[str] = []
            busy = await _beside(runtime, [f"{CONTROL}/{number}" for number in range(AT_ONCE)], [])
            for wave in waves:
                _Peak.reset()
                beside += await _beside(runtime, wave, unfinished)
                peaks.append((wave, (_Peak.read() - idle) / _MIB))
    return _Seen(
        grown=max(peak for _, peak in peaks),
        alone=alone,
        beside_busy=median(busy),
        beside_hostile=median(beside),
        unfinished=unfinished,
        waves=peaks,
    )


def _modes() -> list[str]:
    claude = hostile_claude.MODES if find_spec("claude_agent_sdk") is not None else {}
    return [*(mode for mode in hostile_agent.MODES if mode != CONTROL), *claude]


def _hostile(mode: str, directory: Path) -> Provider:
    if mode in hostile_claude.MODES:
        program = hostile_claude.program(directory, mode)
        return ClaudeProvider(name=mode, cli_path=program, start_deadline_seconds=20, request_deadline_seconds=10)
    command = [sys.executable, str(Path(hostile_agent.__file__)), mode]
    return AcpProvider(command, name=mode, start_deadline_seconds=20, request_deadline_seconds=10)


async def _beside(runtime: Runtime, threads: Sequence[str], unfinished: list[str]) -> list[float]:
    """The seconds of the paced turns that began while these threads' turns ran."""
    took: list[float] = []
    first = anyio.Event()

    async def one(thread: str) -> None:
        with anyio.move_on_after(GIVE_UP_SECONDS) as scope:
            await _turn(runtime, thread)
        if scope.cancelled_caught:
            unfinished.append(thread)
        await _send(runtime, "thread.session.stop", threadId=thread, createdAt=AT)

    async def paced() -> None:
        while True:
            took.append(await _turn(runtime, "paced"))
            first.set()

    async with anyio.create_task_group() as neighbour:
        neighbour.start_soon(paced)
        async with anyio.create_task_group() as hostile:
            for thread in threads:
                hostile.start_soon(one, thread)
        await first.wait()
        neighbour.cancel_scope.cancel()
    return took


async def _turn(runtime: Runtime, thread: str) -> float:
    """The seconds from a turn's request to its end."""
    began = time.perf_counter()
    message = {"messageId": f"{thread}-{time.monotonic_ns()}", "role": "user", "text": PACED, "attachments": []}
    sequence = await _send(runtime, "thread.turn.start", threadId=thread, message=message, createdAt=AT)
    turn, opened = None, False
    async with runtime.subscribe(sequence - 1, thread_id=ThreadId(thread)) as events:
        async for event in events:
            match event:
                case PersistedEvent(payload=ThreadTurnStartRequested() as asked):
                    turn = asked.turn_id
                case PersistedEvent(payload=ThreadSessionSetEvent(session=session)):
                    if opened and session.active_turn_id != turn:
                        break
                    opened = opened or session.active_turn_id == turn
                    if session.status == "error" and not opened:
                        break
    return time.perf_counter() - began


async def _send(runtime: Runtime, kind: str, **fields: Any) -> int:
    if kind in ("project.create", "thread.create"):
        fields["createdAt"] = AT
    command = parse_command({"type": kind, "commandId": f"{kind}-{time.monotonic_ns()}", **fields})
    return (await runtime.dispatch(command)).sequence


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(anyio.run(_measure, sys.argv[1:] or _modes()))))
