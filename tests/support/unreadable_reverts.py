"""Reverts by a user who may not read all of a workspace that two threads use. Prints forecasts and records."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from orchestrion.contracts.events import ThreadActivityAppended
from orchestrion.contracts.ids import ThreadId
from tests.support.builders import checkpoint_revert
from tests.support.command_line import done
from tests.support.git import Repository
from tests.support.stage import Stage, activity, stage
from tests.support.workspaces import names_of

T1 = ThreadId("t1")


async def _turn(it: Stage, script: str, thread_id: str = "t1") -> None:
    asked = await it.ask(script, thread_id=thread_id)
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


async def _reverted(it: Stage, turn_count: int) -> dict[str, Any]:
    preview = await it.runtime.preview_revert(T1, turn_count)
    requested = await it.send(checkpoint_revert(turn_count=turn_count))
    await it.outcome(requested.event_id)
    log = [event for event in await it.log() if event.sequence > requested.sequence]
    notes = [event.payload.activity for event in log if isinstance(event.payload, ThreadActivityAppended)]
    return {
        "previewed": [preview.left_alone, len(preview.removed), preview.undoes_others],
        "activities": [
            [one.kind, one.summary.partition(";")[0]] for one in notes if one.kind.startswith("checkpoint.")
        ],
        "payload": notes[0].payload,
    }


async def main(directory: Path) -> dict[str, Any]:
    repository = Repository.init(directory / "workspace")
    repository.write("src/m.py", "1\n")
    repository.commit_all()
    source, printed = repository.top / "src", dict[str, Any]()
    async with stage(directory) as it:
        await it.open_thread("t2")
        await _turn(it, "touch one")
        await _turn(it, "exec echo y > src/y.py; echo t > top")
        await _turn(it, "exec echo b > src/b.py", "t2")
        source.chmod(0)
        printed["unreadable now"] = await _reverted(it, 1)
        source.chmod(0o755)

        await _turn(it, "exec chmod 0 src; touch two")
        source.chmod(0o755)
        await _turn(it, "exec echo c > src/c.py", "t2")
        await _turn(it, "touch three")
        printed["unreadable then"] = await _reverted(it, 2)
    names = names_of(it.database)
    source.chmod(0)
    printed["restored"] = done("checkpoints", "restore", it.database, "t1", names.turn(T1, 1)).splitlines()[1:-1]
    source.chmod(0o755)
    for path in source.iterdir():
        path.unlink()
    source.rmdir()
    printed["gone"] = done("checkpoints", "restore", it.database, "t1", names.turn(T1, 2)).splitlines()[:-1]
    return printed


if __name__ == "__main__":
    print(json.dumps(anyio.run(main, Path(sys.argv[1]))))
