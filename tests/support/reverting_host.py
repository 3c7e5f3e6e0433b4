"""A host that dies at a crash point: it runs two turns and a revert of the second, then stops cleanly.

`python -m tests.support.reverting_host DIRECTORY BACKEND`, armed by its environment as `crash_points` describes. It
reads a pickled `(provider, prompts)` from its standard input. The directory is laid out as by `tests.support.stage`:
the agent works in `DIRECTORY/workspace`, the database is next to it.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio

from orchestrion.actors.providers.adapter import Provider
from orchestrion.contracts.commands import ThreadCheckpointRevert
from orchestrion.persistence.crash_points import VARIABLE
from tests.support.builders import checkpoint_revert, next_command_id
from tests.support.stage import activity, rehearsal, stage

__all__ = ["REVERT", "die_at"]

REVERT: Final[ThreadCheckpointRevert] = checkpoint_revert(turn_count=1, command_id="the-revert", revert_others=True)
"""The command that requests the revert."""

TOUCHING: Final = ("touch made-1\nsay words-1", "touch made-2\nsay words-2")
"""Prompts for the rehearsal agent."""

_DEADLINE_SECONDS: Final = 240
_IDS_OF_THE_TEST: Final = 10_000
"""The host's command ids begin after those of the test's own process."""


def die_at(
    point: str, directory: Path, backend: str, *, provider: Provider | None = None, prompts: Sequence[str] = TOUCHING
) -> None:
    """Run a host on `directory` until it dies at the point; a host that does not die there is an error.

    Its agents are `provider`'s, by default the rehearsal agent, and receive the two prompts.
    """
    host = subprocess.run(
        [sys.executable, "-m", __name__, str(directory), backend],
        env={**os.environ, VARIABLE: point},
        cwd=Path(__file__).parents[2],
        input=pickle.dumps((provider or rehearsal(directory), prompts)),
        capture_output=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    assert host.returncode == -signal.SIGKILL, host.stderr.decode()


async def play(directory: Path, provider: Provider, prompts: Sequence[str]) -> None:
    async with stage(directory, providers=[provider]) as it:
        for prompt in prompts:
            asked = await it.ask(prompt)
            await it.until(activity("checkpoint.captured"), after=asked.sequence)
        (directory / "workspace" / "users.txt").write_text("edited after turn 2\n")
        requested = await it.send(REVERT)
        await it.outcome(requested.event_id)


if __name__ == "__main__":
    for _ in range(_IDS_OF_THE_TEST):
        next_command_id()
    given = pickle.load(sys.stdin.buffer)
    anyio.run(play, Path(sys.argv[1]), *given, backend=sys.argv[2])
