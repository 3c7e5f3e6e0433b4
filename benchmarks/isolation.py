"""Isolation: whether an agent that hangs slows down other sessions."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio

from orchestrion import (
    AcpProvider,
    PersistedEvent,
    Runtime,
    ThreadId,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    open_runtime,
    parse_command,
)
from orchestrion.actors.providers.rehearsal import rehearsal_command

from .figures import Figure, at_most, median_of, percentile
from .workload import AT

__all__ = ["isolating"]

HEALTHY: Final = 9
TURNS: Final = 8
HUNG: Final = f"t{HEALTHY}"


async def isolating(*, rounds: int) -> Figure:
    """Nine sessions that run turns at once, next to a tenth that is idle, and next to one that hangs in its turn.

    The time to first delta is a client's: from the dispatch of a turn to the first text of its subscription. Each
    thread works in its own directory. Odd rounds begin with the hung session, even ones with the idle one.
    """
    found: list[tuple[float, float]] = []
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        provider = AcpProvider(rehearsal_command(state=Path(directory) / "agent"))
        async with open_runtime(Path(directory) / "state.db", providers=[provider]) as runtime:
            await _open_threads(runtime, Path(directory))
            await _p95(runtime, "warm", turns=1)
            for number in range(rounds):
                p95 = {}
                for hangs in (True, False) if number % 2 else (False, True):
                    p95[hangs] = await _round(runtime, f"round-{number}-{hangs}", hangs=hangs)
                found.append((p95[True], p95[False]))
    return median_of(
        f"time to first delta, p95 of {HEALTHY} sessions beside a tenth that hangs against an idle one",
        "ms",
        found,
        at_most(1.2, of="share"),
    )


async def _open_threads(runtime: Runtime, directory: Path) -> None:
    await _send(runtime, "project.create", "p", projectId="p", title="A project", workspaceRoot=str(directory))
    for number in range(HEALTHY + 1):
        worktree = directory / f"worktree-{number}"
        worktree.mkdir()
        thread: dict[str, Any] = {"threadId": f"t{number}", "projectId": "p", "title": "A thread", "model": "a-model"}
        await _send(runtime, "thread.create", f"t{number}", **thread, branch=None, worktreePath=str(worktree))


async def _round(runtime: Runtime, name: str, *, hangs: bool) -> float:
    """The p95 of all healthy sessions' turns, in milliseconds. The tenth session starts before them and ends after
    them.
    """
    await _turn(runtime, HUNG, f"{name}-tenth", "say busy\nhang" if hangs else "say busy", to_its_end=not hangs)
    p95 = await _p95(runtime, name, turns=TURNS)
    await _send(runtime, "thread.session.stop", f"{name}-stop", threadId=HUNG)
    return p95


async def _p95(runtime: Runtime, name: str, *, turns: int) -> float:
    found: list[float] = []

    async def take_turns(thread_id: str) -> None:
        found.extend(
            [
                await _turn(runtime, thread_id, f"{name}-{thread_id}-{number}", "say one two three")
                for number in range(turns)
            ]
        )

    async with anyio.create_task_group() as sessions:
        for number in range(HEALTHY):
            sessions.start_soon(take_turns, f"t{number}")
    return percentile(found, 0.95)


async def _turn(runtime: Runtime, thread_id: str, name: str, script: str, *, to_its_end: bool = True) -> float:
    """Run one turn; return the milliseconds to its first delta."""
    message = {"messageId": name, "role": "user", "text": script, "attachments": []}
    first: float | None = None
    began = time.perf_counter()
    async with runtime.subscribe(runtime.health().head, thread_id=ThreadId(thread_id)) as events:
        await _send(runtime, "thread.turn.start", name, threadId=thread_id, message=message)
        runs = False
        async for event in events:
            match event:
                case PersistedEvent(payload=ThreadMessageSent(role="assistant")) if first is None:
                    first = (time.perf_counter() - began) * 1e3
                case PersistedEvent(payload=ThreadSessionSetEvent(session=session)):
                    if runs and session.active_turn_id is None:
                        break
                    runs = session.active_turn_id is not None
                case _:
                    continue
            if first is not None and not to_its_end:
                break
    assert first is not None, f"the turn {name} ended without a word"
    return first


async def _send(runtime: Runtime, kind: str, command_id: str, **fields: Any) -> None:
    await runtime.dispatch(parse_command({"type": kind, "commandId": command_id, **fields, "createdAt": AT}))
