"""The transport between the Claude Agent SDK and an agent process that is started and ended like every agent's.

The SDK would start the process itself, in the host's process group, and end only that process. So it is given this
`Transport` instead. The connection reads the process: it takes the agent's output in order, handles the messages of the
conversation, and forwards the control messages (`forward`), which the SDK answers and awaits.

Writes may come from any task and are not interleaved. If a write is cut off, its line is broken, and every later write
raises `SessionLost`. Importing this module needs the extra `claude`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
from claude_agent_sdk import CLIConnectionError, Transport

from ....contracts.errors import SessionLost
from ....contracts.values import JsonObject
from ...served_time import served_deadline
from ..process.agent_process import AgentProcess

__all__ = ["ProcessTransport"]

_CONTROL_CAPACITY: Final = 16


class ProcessTransport(Transport):
    """The streams of the SDK's client. It neither starts nor ends the process."""

    def __init__(self, process: AgentProcess, *, deadline_seconds: float) -> None:
        self._process = process
        self._deadline_seconds = deadline_seconds
        self._writing = anyio.Lock()
        self._broken = False
        self._send, self._receive = anyio.create_memory_object_stream[JsonObject](_CONTROL_CAPACITY)

    async def forward(self, message: JsonObject) -> None:
        """Forward a control message to the SDK, in order. It is dropped if the SDK has stopped reading."""
        try:
            await self._send.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    def end(self) -> None:
        """Make everything that the SDK still waits for fail, since the agent is gone. Repeatable."""
        self._send.close()

    async def connect(self) -> None:
        """Nothing to do: the process runs."""

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        async for message in self._receive:
            yield message
        raise CLIConnectionError(f"{self._process.program} is gone")

    async def write(self, data: str) -> None:
        """Write whole lines.

        Raises:
            SessionLost: the agent is gone, or does not read its input.
        """
        program = self._process.program
        async with self._writing:
            if self._broken:
                raise SessionLost(f"{program} cannot be written to: an earlier write was cut off")
            self._broken = True
            try:
                with served_deadline(self._deadline_seconds):
                    await self._process.stdin.send(data.encode())
            except TimeoutError:
                raise SessionLost(f"{program} did not read its input for {self._deadline_seconds:g} s") from None
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                raise SessionLost(f"{program} is gone") from None
            self._broken = False

    async def end_input(self) -> None:
        self._process.stdin.close()

    async def close(self) -> None:
        self._send.close()
        self._receive.close()

    def is_ready(self) -> bool:
        return not self._broken and self._process.exit_code is None
