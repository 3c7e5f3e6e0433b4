"""A host under `asyncio.run` that receives SIGINT three times: `python -m tests.support.interrupted_host DIRECTORY`.

It prints "running" when its agent, which ends by SIGKILL only, is in a turn. The first SIGINT comes from outside and
cancels its main task. The second, which it sends to itself while its runtime stops, aborts the event loop; the third
aborts the loop's clean-up. It prints "over" when `asyncio.run` has raised.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.contracts.events import PersistedEvent, ThreadMessageSent
from orchestrion.runtime.options import RuntimeOptions
from tests.support.stage import stage

DEADLINE_SECONDS = 60.0


async def interrupt_when_cancelled() -> None:
    """Send SIGINT so that it interrupts the event loop itself, and none of its tasks."""
    loop = asyncio.get_running_loop()
    try:
        await loop.create_future()
    finally:
        loop.call_soon(signal.raise_signal, signal.SIGINT)


def agent_speaks(event: PersistedEvent) -> bool:
    return isinstance(event.payload, ThreadMessageSent) and event.payload.role == "assistant"


async def main(directory: Path) -> None:
    third = asyncio.create_task(interrupt_when_cancelled())
    agent = AcpProvider(rehearsal_command(state=directory / "agent"), name="agent")
    async with stage(directory, providers=[agent], options=RuntimeOptions(shutdown_deadline=DEADLINE_SECONDS)) as it:
        await it.ask("ignore-eof\nignore-term\nwell\nhang")
        await it.until(agent_speaks)
        print("running", flush=True)
        await interrupt_when_cancelled()
    await third


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        print("over", flush=True)
