"""Streaming: how many bytes of the database each byte of an agent's streamed text takes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from anyio.to_thread import run_sync

from orchestrion import AcpProvider, PersistedEvent, Runtime, ThreadSessionSetEvent, open_runtime, parse_command
from orchestrion.actors.providers.rehearsal import rehearsal_command

from .figures import Figure, at_most
from .workload import AT, Workload

__all__ = ["streaming"]

THREADS: Final = 16
DELTAS: Final = 400
DELTA_BYTES: Final = 26
DELTA_SECONDS: Final = 0.02
_SIGNAL: Final = "go"


async def streaming() -> Figure:
    """One turn of 400 deltas of 26 characters, one every 20 ms, in each of several threads at once.

    The user's messages are written before the first measurement, because they are not streamed text.
    """
    words = " ".join(["x" * (DELTA_BYTES - 1)] * DELTAS)
    script = f"wait-for {_SIGNAL}\nslow {DELTA_SECONDS}\nsay {words}"
    workload = Workload(threads=THREADS)
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        database, workspace = Path(directory) / "state.db", Path(directory) / "workspace"
        workspace.mkdir()
        provider = AcpProvider(rehearsal_command(state=Path(directory) / "agent"))
        async with open_runtime(database, providers=[provider]) as runtime:
            for command, actor in workload.opening(workspace):
                await runtime.dispatch(command, actor=actor)
            async with anyio.create_task_group() as turns:
                for number in range(THREADS):
                    await turns.start(_turn, runtime, number, script)
                before = await run_sync(_used_bytes, database)
                (workspace / _SIGNAL).touch()
            await runtime.wait_until_projected(runtime.health().head)
            after = await run_sync(_used_bytes, database)
    return Figure(
        name="database, through a session: bytes for each byte of streamed text",
        value=(after - before) / (THREADS * DELTAS * DELTA_BYTES),
        unit="bytes",
        targets=(at_most(4),),
    )


async def _turn(runtime: Runtime, number: int, script: str, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Ask for a turn and follow it to its end. Reports `started` once the turn runs."""
    thread_id = f"t{number}"
    message = {"messageId": f"u{number}", "role": "user", "text": script, "attachments": []}
    start = {"type": "thread.turn.start", "commandId": f"start-{number}", "threadId": thread_id, "message": message}
    async with runtime.subscribe(runtime.health().head) as events:
        await runtime.dispatch(parse_command({**start, "createdAt": AT}))
        runs = False
        async for event in events:
            if event.stream_id != thread_id or not isinstance(event, PersistedEvent):
                continue
            if not isinstance(event.payload, ThreadSessionSetEvent):
                continue
            session = event.payload.session
            if session.active_turn_id is not None and not runs:
                runs = True
                task_status.started()
            elif runs and session.active_turn_id is None:
                return


def _used_bytes(database: Path) -> int:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)
