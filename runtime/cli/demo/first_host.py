"""The first host of the demo, a process of its own: it plays one turn, is in the middle of a second, and is killed.

Its standard output is for the process that kills it: a line of JSON for each acknowledged command, then `ready`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from ....contracts.commands import Command
from ....contracts.new_values import now
from ...host import open_runtime
from ...runtime import Runtime
from ..output import write_json
from .script import Stage, acceptance, captured_turn, requested_approval, setting, turn_start


async def play(stage: Stage) -> None:
    """Play until this process is killed."""
    async with open_runtime(stage.database, providers=[stage.provider]) as runtime:
        for command in setting(stage, now()):
            await _dispatch(runtime, command)
        await _first_turn(runtime)
        await _second_turn(runtime)
        session = runtime.health().sessions[0]
        write_json({"ready": True, "agentPid": session.pid, "providerSessionId": session.provider_session_id})
        await anyio.sleep_forever()


async def _first_turn(runtime: Runtime) -> None:
    """A turn that asks for an approval, gets it, and edits a file."""
    await _dispatch(runtime, turn_start(1, now()))
    async with runtime.subscribe(0) as events:
        async for event in events:
            request = requested_approval(event)
            if request is not None:
                await _dispatch(runtime, acceptance(request, now()))
            if captured_turn(event) == 1:
                return


async def _second_turn(runtime: Runtime) -> None:
    """A turn that is left waiting for an approval, with a third one queued behind it."""
    second = await runtime.dispatch(turn_start(2, now()))
    write_json({"commandId": "demo-turn-2", "sequence": second.sequence})
    await _dispatch(runtime, turn_start(3, now()))
    async with runtime.subscribe(second.sequence) as events:
        async for event in events:
            if requested_approval(event) is not None:
                return


async def _dispatch(runtime: Runtime, command: Command) -> None:
    result = await runtime.dispatch(command)
    write_json({"commandId": command.command_id, "sequence": result.sequence})


if __name__ == "__main__":
    anyio.run(play, Stage(directory=Path(sys.argv[1])))
