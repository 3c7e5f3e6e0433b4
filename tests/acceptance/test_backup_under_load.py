"""A backup made while many callers write is the database at one moment; a reader ahead of it gets an error."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from orchestrion import PersistedEvent, Runtime, SequenceAheadOfLog, open_runtime, to_json
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.command_line import done
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

CALLERS = 64
BACKUPS = 2
SEQUENCE = re.compile(r"up to sequence (\d+)")


async def write(runtime: Runtime, caller: int) -> None:
    """One caller's project and thread, then turns and streamed text without end."""
    thread, number = f"t{caller}", 0
    await runtime.dispatch(make.project_create(f"p{caller}"))
    await runtime.dispatch(make.thread_create(thread, project_id=f"p{caller}"))
    while True:
        number += 1
        await runtime.dispatch(make.turn_start(thread, f"m{caller}-{number}"))
        words = make.assistant_delta(f"answer-{caller}", f"{number} ", thread_id=thread)
        await runtime.dispatch(words, actor="server")


async def test_backup_during_64_writers_opens_verifies_and_has_its_own_head(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    targets = [tmp_path / f"backup-{number}.db" for number in range(BACKUPS)]
    async with open_runtime(path) as runtime:
        async with anyio.create_task_group() as callers:
            for caller in range(CALLERS):
                callers.start_soon(write, runtime, caller)
            for target in targets:
                copied = SEQUENCE.search(await run_sync(done, "backup", path, target))
                assert copied is not None
                async with runtime.subscribe(int(copied[1])) as events:
                    await anext(events)  # the writers continue
            callers.cancel_scope.cancel()
        log = [event async for event in runtime.replay_events(0) if isinstance(event, PersistedEvent)]
    for target in targets:
        assert (await run_sync(verify_database, target)).findings == ()
        async with open_runtime(target) as restored:
            head = restored.health().head
            assert 0 < head < len(log)
            assert to_json(await restored.get_snapshot()) == snapshot_json(log[:head])
            with pytest.raises(SequenceAheadOfLog, match=f"{len(log)} is beyond the log's head {head}"):
                restored.subscribe(len(log))
            with pytest.raises(SequenceAheadOfLog):
                await anext(restored.replay_events(len(log)))
            assert [event async for event in restored.replay_events(head - 1)] == log[head - 1 : head]
