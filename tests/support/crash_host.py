"""A host that tests kill. Run as a script: `crash_host.py DATABASE load | replay`.

Under `load`, workers dispatch their commands one after the other, from the first number that the database does not
have; every answer is reported as a line `<worker> <number> <sequence>` on standard output before the next command is
sent. Under `replay`, a file whose projections lag is opened, and every applied page is reported.
"""

from __future__ import annotations

import os
import sys

import anyio

from orchestrion.persistence import bootstrap
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.runtime.runtime import Runtime
from tests.support.crash_load import WORKERS, load_command

REPLAY_PAGE = 20


def report(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def work(runtime: Runtime, worker: int) -> None:
    number = 0
    while True:
        command, actor = load_command(worker, number)
        result = await runtime.dispatch(command, actor=actor)
        report(worker, number, result.sequence)
        number += 1


async def load(path: str) -> None:
    async with open_runtime(path) as runtime, anyio.create_task_group() as tasks:
        for worker in range(WORKERS):
            tasks.start_soon(work, runtime, worker)


async def replay(path: str) -> None:
    bootstrap.PAGE_EVENTS = REPLAY_PAGE  # type: ignore[misc]  # small pages: many transactions in which to be killed
    options = RuntimeOptions(progress=lambda progress: report(progress.applied))
    async with open_runtime(path, options=options):
        await anyio.sleep_forever()


if __name__ == "__main__":
    database, how = sys.argv[1:]
    anyio.run({"load": load, "replay": replay}[how], database)
