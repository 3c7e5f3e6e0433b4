"""A host to be killed: a process that has one session, and stops reading in the middle of a turn.

It reads a pickled `(provider, workspace, prompts)` from its standard input, takes all turns but the last to their end,
prints a line of JSON about the session as soon as the agent says something in the last turn, and waits.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio

from ...actors.providers.adapter import Provider, TurnRequest
from ...contracts.provider_events import MessageDelta
from .reading import session

__all__ = ["HostToKill"]


class HostToKill:
    """The host as its scenario sees it. `report` is what it printed."""

    def __init__(self, provider: Provider, workspace: Path, prompts: Sequence[str]) -> None:
        self._host = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._host.stdin is not None
        assert self._host.stdout is not None
        pickle.dump((provider, workspace, prompts), self._host.stdin)
        self._host.stdin.flush()
        self.report: dict[str, Any] = json.loads(self._host.stdout.readline())

    def kill(self) -> None:
        """SIGKILL. Returns when it is reaped."""
        self._host.kill()
        self._host.communicate()


async def _take_turns(provider: Provider, workspace: Path, prompts: Sequence[str]) -> None:
    async with session(provider, workspace) as read:
        for prompt in prompts[:-1]:
            await read.turn(prompt)
        await read.connection.start_turn(TurnRequest(text=prompts[-1]))
        await read.until(MessageDelta)
        process = read.process
        report = {"cursor": read.connection.resume_cursor, "pid": process.pid, "startedAt": process.started_at}
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_take_turns, *pickle.load(sys.stdin.buffer))
