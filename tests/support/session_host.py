"""A host in its own process: `python -m tests.support.session_host DIRECTORY` runs a runtime in DIRECTORY.

Its agents are those of the provider that is pickled in the directory, else rehearsal agents. It runs on trio. Each line
of its standard input is a command in wire form, which it dispatches; every event is a line of JSON on its standard
output. When its input ends it stops cleanly. `SessionHost` is the test's side of it.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import orjson
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from orchestrion.actors.providers.adapter import Provider
from orchestrion.contracts.admission import command_json, parse_command
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.commands import ClientCommand
from orchestrion.contracts.events import PersistedEvent
from orchestrion.persistence.crash_points import VARIABLE, CrashPoint
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.runtime import Runtime
from tests.support.stage import SAFETY_NET_SECONDS, rehearsal

_LONGEST_LINE = 1 << 20
_PROVIDER = "provider.pickle"
_ROOT = Path(__file__).resolve().parents[2]


@attrs.define
class SessionHost:
    """The test's side of a host process."""

    process: Process
    _lines: BufferedByteReceiveStream

    async def send(self, *commands: ClientCommand) -> None:
        assert self.process.stdin is not None
        for command in commands:
            await self.process.stdin.send(orjson.dumps(command_json(command)) + b"\n")

    async def until(self, event_type: str, **facts: str) -> dict[str, Any]:
        """The payload of the next event of this type; `facts` are fields of it, its activity or its session."""
        while True:
            event = orjson.loads(await self._lines.receive_until(b"\n", _LONGEST_LINE))
            payload: dict[str, Any] = event["payload"]
            fields = {**payload, **payload.get("activity", {}), **payload.get("session", {})}
            if event["type"] == event_type and facts.items() <= fields.items():
                return payload

    async def activity(self, kind: str) -> dict[str, Any]:
        payload = await self.until("thread.activity-appended", kind=kind)
        activity: dict[str, Any] = payload["activity"]
        return activity

    async def died(self) -> int:
        """Wait until the host has died by itself; return its exit code."""
        return await self.process.wait()

    async def kill(self) -> None:
        """Send SIGKILL to the host alone."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def session_host(
    directory: Path, *, crash_at: CrashPoint | None = None, provider: Provider | None = None
) -> AsyncIterator[SessionHost]:
    """Run a host on `directory`; leaving the block kills it if it still runs."""
    (directory / "workspace").mkdir(exist_ok=True)
    if provider is not None:
        (directory / _PROVIDER).write_bytes(pickle.dumps(provider))
    environment = {**os.environ, **({VARIABLE: crash_at} if crash_at is not None else {})}
    with anyio.fail_after(SAFETY_NET_SECONDS):
        process = await anyio.open_process(
            [sys.executable, "-m", __name__, str(directory)],
            env=environment,
            cwd=_ROOT,
            stderr=None,
        )
        async with process:
            assert process.stdout is not None
            host = SessionHost(process, BufferedByteReceiveStream(process.stdout))
            try:
                yield host
            finally:
                if process.returncode is None:
                    await host.kill()


async def _tell(runtime: Runtime) -> None:
    async with runtime.subscribe(0) as events:
        async for event in events:
            assert isinstance(event, PersistedEvent)
            line = orjson.dumps({"type": event.event_type, "payload": to_json(event.payload)})
            await anyio.to_thread.run_sync(os.write, sys.stdout.fileno(), line + b"\n")


async def _host(directory: Path) -> None:
    pickled = directory / _PROVIDER
    provider = pickle.loads(pickled.read_bytes()) if pickled.exists() else rehearsal(directory)
    async with (
        open_runtime(directory / "state.db", providers=[provider]) as runtime,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_tell, runtime)
        async for line in anyio.wrap_file(sys.stdin):
            await runtime.dispatch(parse_command(orjson.loads(line)))
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(_host, Path(sys.argv[1]), backend="trio")
