"""A bot with many conversations at once: each in a directory of its own, at most four agents working at a time.

    python examples/bot.py 20

Every request of an agent is answered by a rule. One conversation that fails does not disturb the others.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from orchestrion import Approval, ApprovalAnswer, RehearsalProvider, Runtime, open_runtime

AT_ONCE = 4


async def decide(approval: Approval) -> ApprovalAnswer:
    """The bot's rule: files may be changed, commands may not be run."""
    return "accept" if approval.kind == "fileChange" else "decline"


async def work(runtime: Runtime, number: int, limiter: anyio.CapacityLimiter) -> None:
    """One conversation: a turn that writes a file, and its diff."""
    workspace = anyio.Path("bot") / f"{number:02}"
    await workspace.mkdir(parents=True, exist_ok=True)
    async with limiter:
        thread = await runtime.open_thread(workspace=Path(workspace), title=f"Request {number}")
        async with thread.turn(f"write answer.txt {number}", on_approval=decide) as turn:
            result = await turn.result()
        added = (await turn.diff()).count("\n+")
        await thread.stop()
    print(f"{number:02} {result.ended.outcome}, {added - 1} line added")


async def main(count: int) -> None:
    limiter = anyio.CapacityLimiter(AT_ONCE)
    async with open_runtime("bot.db", providers=[RehearsalProvider()]) as runtime, anyio.create_task_group() as tasks:
        for number in range(1, count + 1):
            tasks.start_soon(work, runtime, number, limiter)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 20)
