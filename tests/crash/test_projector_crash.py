"""A host killed while it projects: each event is applied exactly once, live or replayed at a start."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrion import Unset, open_runtime, to_json
from tests.support.core import write_log
from tests.support.killed_host import assert_left_whole, run_and_kill
from tests.support.random_commands import random_log
from tests.support.snapshot_oracle import snapshot_json

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

LOG = random_log(81, 1_000)


@pytest.mark.spec("P31", "P32")
@pytest.mark.lesson("L21")
async def test_killed_while_replaying_at_its_start_each_event_is_applied_once(tmp_path: Path) -> None:
    chance = random.Random(82)
    path = tmp_path / "state.db"
    await write_log(path, LOG)
    applied = 0
    while applied < len(LOG) // 2:
        reports = run_and_kill(path, "replay", after_reports=chance.randint(1, 12))
        assert reports[0][0] > applied
        applied = reports[-1][0]
        assert_left_whole(path)
    async with open_runtime(path) as runtime:
        assert to_json(await runtime.get_snapshot()) == snapshot_json(LOG)


@pytest.mark.spec("P31")
@pytest.mark.lesson("L21")
async def test_killed_while_projecting_live_streamed_text_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    for after_reports in (40, 150):
        run_and_kill(path, "load", after_reports=after_reports)
        log = assert_left_whole(path)
    async with open_runtime(path) as runtime:
        snapshot = await runtime.get_snapshot()
        assert to_json(snapshot) == snapshot_json(log)
        texts = [
            message.text
            for thread in snapshot.threads
            if not isinstance(thread.messages, Unset)
            for message in thread.messages
            if message.id.startswith("answer-")
        ]
    assert texts
    for text in texts:
        numbers = [int(number) for number in text.split()[1::2]]
        assert numbers == list(range(3, numbers[-1] + 1, 4))
