"""The disk is full while agents work: none of their output is dropped silently, and every turn ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import orjson
import pytest

from orchestrion import (
    PersistedEvent,
    RuntimeOptions,
    SessionLimits,
    StoreFull,
    ThreadMessageSent,
    open_runtime,
)
from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.contracts.events import ThreadSessionSetEvent
from orchestrion.testing.conformance.reading import all_have_ended
from tests.support.builders import project_create, thread_create, turn_start
from tests.support.session_host import session_host
from tests.support.small_disk import SmallDisk
from tests.support.stage import Stage, activity, rehearsal, session_of, stage

pytestmark = pytest.mark.anyio

WORDS = [f"word-{number}" for number in range(3000)]
SAID = "begun\n" + " ".join(WORDS)
SCRIPT = "say begun\nwait-for full\nsay " + " ".join(WORDS)
AT_ONCE = RuntimeOptions(sessions=SessionLimits(storage_deadline=0.2))


@pytest.fixture
def database(disk: SmallDisk) -> Path:
    return disk.directory / "state.db"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await anyio.lowlevel.checkpoint()


def refusals(it: Stage) -> int:
    """How often the store has refused commands of the session of `t1`."""
    errors = {one.actor: one for one in it.runtime.health().last_errors}
    refused = errors.get("session of t1")
    return 0 if refused is None or "full" not in refused.error else refused.times


def begun(event: PersistedEvent) -> bool:
    return isinstance(event.payload, ThreadMessageSent) and event.payload.text.startswith("begun")


async def agent_of(it: Stage) -> ProcessIdentity:
    (row,) = await it.runtime_rows()
    facts = orjson.loads(row.runtime_payload_json or "{}")
    return ProcessIdentity(pid=facts["pid"], started_at=facts["startedAt"])


async def test_a_session_stops_reading_its_agent_and_goes_on_when_there_is_room(
    disk: SmallDisk, database: Path, tmp_path: Path
) -> None:
    async with stage(tmp_path, database=database) as it:
        turn = await it.ask(SCRIPT)
        await it.until(begun)
        disk.fill()
        await it.let_go("full")
        await until(lambda: refusals(it) >= 3)
        disk.free()
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == SAID
        assert await it.turn_statuses() == ["completed"]


async def test_a_full_store_ends_the_agent_and_is_reported_once_there_is_room(
    disk: SmallDisk, database: Path, tmp_path: Path
) -> None:
    async with stage(tmp_path, database=database, options=AT_ONCE) as it:
        turn = await it.ask(f"{SCRIPT}\nhang")
        await it.until(begun)
        agent = await agent_of(it)
        disk.fill()
        await it.let_go("full")
        while not await all_have_ended(agent):
            await anyio.lowlevel.checkpoint()
        disk.free()
        ended = session_of(await it.ended(turn))
        assert (ended.status, ended.active_turn_id) == ("error", None)
        assert "the disk is full: make room and try again" in str(ended.last_error)
        assert SAID.startswith(await it.text_of(turn))
        assert await it.turn_statuses() == ["error"]
        following = await it.ask("say on")
        assert session_of(await it.ended(following)).status == "ready"


async def test_a_turn_stopped_on_a_full_disk_is_settled_by_the_next_start(
    disk: SmallDisk, database: Path, tmp_path: Path
) -> None:
    async with stage(tmp_path, database=database, options=RuntimeOptions(shutdown_deadline=0.3)) as it:
        turn = await it.ask(f"{SCRIPT}\nhang")
        queued = await it.ask("say queued")
        await it.until(begun)
        agent = await agent_of(it)
        disk.fill()
        await it.let_go("full")
        await until(lambda: refusals(it) >= 1)
    assert await all_have_ended(agent)
    with pytest.raises(StoreFull):
        await open_and_leave(tmp_path, database)
    disk.free()
    async with stage(tmp_path, database=database) as it:
        assert session_of(await it.ended(turn)).status in ("stopped", "error")
        assert session_of(await it.ended(queued)).status == "ready"
        assert (await it.turn_statuses())[1] == "completed"
        assert (await it.text_of(turn)).startswith("begun")
        assert SAID.startswith(await it.text_of(turn))


async def test_a_host_cancelled_on_a_full_disk_leaves_no_agent_and_no_lock(
    disk: SmallDisk, database: Path, tmp_path: Path
) -> None:
    with anyio.CancelScope() as scope:
        async with stage(tmp_path, database=database, options=RuntimeOptions(shutdown_deadline=0.3)) as it:
            turn = await it.ask(f"{SCRIPT}\nhang")
            await it.until(begun)
            agent = await agent_of(it)
            disk.fill()
            await it.let_go("full")
            await until(lambda: refusals(it) >= 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert await all_have_ended(agent)
    disk.free()
    async with stage(tmp_path, database=database) as it:
        assert session_of(await it.ended(turn)).active_turn_id is None


async def open_and_leave(directory: Path, database: Path) -> None:
    async with open_runtime(database, providers=[rehearsal(directory)]):
        pass


async def test_recovery_settles_all_or_nothing_with_any_free_space(disk: SmallDisk) -> None:
    directory = disk.directory
    create = project_create(workspace_root=str(directory / "workspace"))
    async with session_host(directory) as host:
        await host.send(create, thread_create(), turn_start(message_id="m1", text="say working\nask may I"))
        await host.activity("approval.requested")
        await host.kill()
    refused = 0
    for kib in range(0, 800, 8):
        disk.leave(kib)
        try:
            await open_and_leave(directory, directory / "state.db")
        except StoreFull:
            refused += 1
        else:
            break
    assert refused > 1
    disk.free()
    async with stage(directory) as it:
        assert await it.turn_statuses() == ["interrupted"]
        assert (await it.thread()).pending_approvals == ()
        log = await it.log()
        assert len([event for event in log if activity("turn.interrupted")(event)]) == 1
        settled = [event for event in log if isinstance(event.payload, ThreadSessionSetEvent)][-1]
        assert session_of(settled).active_turn_id is None
