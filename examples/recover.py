"""A host that is killed in the middle of a turn, and its next run.

    python examples/recover.py kill     # takes a turn and kills itself with SIGKILL before the turn is over
    python examples/recover.py          # opens the same database: what does it find?

The next run finds the turn marked as interrupted, the text that had arrived, and no process of the agent. The agent
continues its conversation in a new turn.
"""

from __future__ import annotations

import os
import signal
import sys

import anyio

from orchestrion import RehearsalProvider, Runtime, Text, open_runtime

SCRIPT = "say The first half has arrived.\nwait-for the-second-half"


async def be_killed(runtime: Runtime) -> None:
    """Take a turn that does not end, and die when its first text is in the log."""
    thread = await runtime.open_thread(workspace=".", thread_id="recovery", title="Recovery")
    async with thread.turn(SCRIPT) as turn:
        async for item in turn:
            if isinstance(item, Text):
                print(f"killed after: {item.text!r}", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)


async def recover(runtime: Runtime) -> None:
    """Show what is left of the killed turn, and ask the agent what it remembers."""
    thread = await runtime.open_thread(thread_id="recovery")
    view = await thread.read()
    print(f"the last turn is {view.turns[-1].status}")
    print(f"its text: {view.messages[-1].text!r}")
    async with thread.turn("recall") as turn:
        print(f"the agent: {(await turn.result()).text}")


async def main() -> None:
    async with open_runtime("recover.db", providers=[RehearsalProvider()]) as runtime:
        await (be_killed(runtime) if "kill" in sys.argv else recover(runtime))


if __name__ == "__main__":
    anyio.run(main)
