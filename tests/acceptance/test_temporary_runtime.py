"""A temporary runtime: what it records repeats, its time is the test's, and its database can be opened again."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.contracts.events import LoggedEvent
from orchestrion.contracts.new_values import new_command_id, now
from orchestrion.testing import temporary_runtime
from orchestrion.testing.counting_mint import at

pytestmark = pytest.mark.anyio


async def log_of_two_threads() -> list[LoggedEvent]:
    async with temporary_runtime(providers=[]) as it:
        await it.runtime.open_thread(workspace=it.workspace, title="Notes")
        it.clock.advance(5)
        thread = await it.runtime.open_thread(workspace=it.workspace, title="Notes")
        await thread.stop()
        return [event async for event in it.runtime.replay_events(0)]


async def test_same_commands_give_the_same_ids_and_instants() -> None:
    logs = [await log_of_two_threads() for _ in range(2)]
    ids, times = ([[getattr(event, field) for event in log] for log in logs] for field in ("event_id", "occurred_at"))
    assert ids[0] == ids[1]
    assert times[0] == times[1] == [at(0), at(0), at(5), at(5)]


async def test_new_values_are_the_machines_own_after_the_block() -> None:
    async with temporary_runtime(providers=[]):
        assert (new_command_id(), now()) == ("id-000001", at(0))
    assert new_command_id() != "id-000002"
    assert now() != at(0)


async def test_database_is_opened_again_with_its_agents_conversation(tmp_path: Path) -> None:
    async with temporary_runtime(tmp_path) as it:
        thread = await it.runtime.open_thread(workspace=it.workspace, thread_id="t1")
        async with thread.turn("say pelican") as turn:
            await turn.result()
    with pytest.raises(ValueError, match="pass clock="):
        async with temporary_runtime(tmp_path):
            pytest.fail("ids would repeat")
    async with temporary_runtime(tmp_path, clock=it.clock) as it:
        thread = await it.runtime.open_thread(thread_id="t1")
        async with thread.turn("recall") as turn:
            assert "say pelican" in (await turn.result()).text
