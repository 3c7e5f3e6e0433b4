"""Capturing a large repository: the time of a cold and of a warm capture, and how much it delays a turn's hand-over.

Cold: the first capture, which reads every file; the index of the previous one is deleted. Warm: ten files have changed
since. The delay is the time from a turn's request to its claim, minus the same in a repository of ten files.
"""

from __future__ import annotations

import random
import statistics
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from anyio.to_thread import run_sync

from orchestrion import (
    AcpProvider,
    PersistedEvent,
    Runtime,
    ThreadId,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
    open_runtime,
    parse_command,
)
from orchestrion.actors.checkpoints.git import Capture, GitWorkspace, checkpoint_ref
from orchestrion.actors.providers.rehearsal import rehearsal_command

from .figures import Figure
from .workload import AT, Workload

__all__ = ["capturing"]

_FILES_A_DIRECTORY: Final = 100
_CHANGED: Final = 10
_CONTROL_FILES: Final = 10
_THREAD: Final = ThreadId("t0")


async def capturing(*, files: int, rounds: int) -> AsyncIterator[Figure]:
    """The figures for a repository with `files` committed files of 1 to 4 KB."""
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        large, control = Path(directory) / "large", Path(directory) / "control"
        await run_sync(_make, large, files)
        await run_sync(_make, control, _CONTROL_FILES)
        async for figure in _captures(large, files, rounds):
            yield figure
        async for figure in _delays(Path(directory), large, control, rounds):
            yield figure


async def _captures(large: Path, files: int, rounds: int) -> AsyncIterator[Figure]:
    workspace = await GitWorkspace.open(large)
    assert workspace is not None
    taken: dict[str, list[float]] = {"cold": [], "warm": [], "diff": []}
    number = 0

    async def captured(how: str) -> Capture:
        nonlocal number
        number += 1
        began = perf_counter()
        capture = await workspace.capture(checkpoint_ref(_THREAD, number), f"capture {number}")
        taken[how].append(perf_counter() - began)
        return capture

    for _ in range(rounds):
        await run_sync(_forget_index, large)
        start = await captured("cold")
        await run_sync(_change, large, number)
        end = await captured("warm")
        began = perf_counter()
        diff = await workspace.diff(start, end)
        taken["diff"].append(perf_counter() - began)
        assert diff.changed_files == _CHANGED
    for how, name in (("cold", "cold"), ("warm", f"warm, {_CHANGED} files changed"), ("diff", "diff of the two")):
        yield Figure(name=f"capture of {files:,} files: {name}", value=statistics.median(taken[how]), unit="s")


async def _delays(directory: Path, large: Path, control: Path, rounds: int) -> AsyncIterator[Figure]:
    cold: list[float] = []
    warm: list[float] = []
    none: list[float] = []
    async with _serving(directory / "large.db", large) as runtime:
        turns = _turns(runtime)
        await anext(turns)  # this turn starts the agent
        for number in range(rounds):
            await run_sync(_change, large, number)
            await run_sync(_forget_index, large)
            cold.append(await anext(turns))
            await run_sync(_change, large, rounds + number)
            warm.append(await anext(turns))
    async with _serving(directory / "control.db", control) as runtime:
        turns = _turns(runtime)
        await anext(turns)
        none.extend([await anext(turns) for _ in range(rounds)])
    usual = statistics.median(none)
    for how, taken in (("cold", cold), ("warm", warm)):
        yield Figure(name=f"delay of a turn's hand-over: {how}", value=statistics.median(taken) - usual, unit="s")
    yield Figure(name=f"a turn's hand-over with {_CONTROL_FILES} files", value=usual, unit="s")


@asynccontextmanager
async def _serving(database: Path, workspace: Path) -> AsyncIterator[Runtime]:
    provider = AcpProvider(rehearsal_command(state=database.with_suffix(".agent")))
    async with open_runtime(database, providers=[provider]) as runtime:
        for command, actor in Workload(threads=1).opening(workspace):
            await runtime.dispatch(command, actor=actor)
        yield runtime


async def _turns(runtime: Runtime) -> AsyncIterator[float]:
    """Run turns one after the other and yield the seconds from each request to its claim."""
    number = 0
    while True:
        number += 1
        message = {"messageId": f"m{number}", "role": "user", "text": "say hi", "attachments": []}
        asked = {"type": "thread.turn.start", "commandId": f"c{number}", "threadId": _THREAD, "createdAt": AT}
        began = perf_counter()
        result = await runtime.dispatch(parse_command({**asked, "message": message}))
        claimed: float | None = None
        async with runtime.subscribe(result.sequence) as events:
            async for event in events:
                assert isinstance(event, PersistedEvent)
                match event.payload:
                    case ThreadSessionSetEvent(session=session) if session.active_turn_id is not None:
                        claimed = claimed or perf_counter() - began
                    case ThreadTurnDiffCompleted(status=status):
                        assert status == "ready"
                        break
                    case _:
                        pass
        assert claimed is not None
        yield claimed


def _make(top: Path, files: int) -> None:
    top.mkdir()
    words = random.Random(1)
    for number in range(files):
        if number % _FILES_A_DIRECTORY == 0:
            directory = top / f"d{number // _FILES_A_DIRECTORY:04}"
            directory.mkdir()
        lines = "".join(f"{words.getrandbits(64):x} line\n" for _ in range(words.randint(50, 200)))
        (directory / f"f{number:06}.txt").write_text(lines)
    for arguments in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=User", "-c", "user.email=user@localhost", "commit", "-q", "-m", "all"),
    ):
        subprocess.run(["git", *arguments], cwd=top, check=True)


def _change(top: Path, number: int) -> None:
    for path in _some_files(top):
        with path.open("a") as file:
            file.write(f"change {number}\n")


def _some_files(top: Path) -> Iterator[Path]:
    directories = sorted(path for path in top.iterdir() if path.name.startswith("d"))
    for directory in directories[:: max(1, len(directories) // _CHANGED)][:_CHANGED]:
        yield min(directory.iterdir())


def _forget_index(top: Path) -> None:
    for index in (top / ".git" / "orchestrion").glob("index-*"):
        index.unlink()
