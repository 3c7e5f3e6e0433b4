"""A file system that is really full: unwritten commands get an error, and succeed once there is space."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from orchestrion import (
    Command,
    DispatchResult,
    LastError,
    PersistedEvent,
    ProjectionStalled,
    Runtime,
    StoreFull,
    open_runtime,
    to_json,
)
from orchestrion.actors.projecting import projector as projector_module
from orchestrion.actors.projecting import projectors as projectors_module
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.core import write_log
from tests.support.random_commands import random_log
from tests.support.small_disk import SmallDisk
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

MESSAGES = "projection.thread-messages"
LONG = "x" * 100_000
HUGE = "\N{EURO SIGN}" * 120_000
"""360,000 bytes, for which the log needs some sixty thousand more."""


@pytest.fixture
def path(disk: SmallDisk) -> Path:
    return disk.directory / "state.db"


async def prepare_thread(runtime: Runtime) -> None:
    await runtime.dispatch(make.project_create())
    await runtime.dispatch(make.thread_create())


def turns(count: int, *, text: str = LONG) -> list[Command]:
    return [make.turn_start(message_id=f"m{number}", command_id=f"turn-{number}", text=text) for number in range(count)]


async def outcomes(runtime: Runtime, commands: Sequence[Command]) -> list[DispatchResult | StoreFull]:
    """The outcomes of commands that are sent at once."""
    found: dict[int, DispatchResult | StoreFull] = {}

    async def send(number: int, command: Command) -> None:
        try:
            found[number] = await runtime.dispatch(command)
        except StoreFull as error:
            found[number] = error

    async with anyio.create_task_group() as tasks:
        for number, command in enumerate(commands):
            tasks.start_soon(send, number, command)
    return [found[number] for number in range(len(commands))]


def last_error(runtime: Runtime, actor: str) -> LastError:
    return next(one for one in runtime.health().last_errors if one.actor == actor)


async def log_of(runtime: Runtime) -> list[PersistedEvent]:
    return [event async for event in runtime.replay_events(0) if isinstance(event, PersistedEvent)]


async def assert_whole(runtime: Runtime, path: Path) -> None:
    """Assert that log, receipts and rows agree."""
    await runtime.wait_until_projected(runtime.health().head)
    assert to_json(await runtime.get_snapshot()) == snapshot_json(await log_of(runtime))
    assert (await run_sync(verify_database, path)).findings == ()


async def test_a_command_without_room_succeeds_once_there_is_room(
    disk: SmallDisk, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_runtime(path) as runtime:
        await prepare_thread(runtime)
        disk.fill()
        first, second = turns(2)
        with pytest.raises(StoreFull, match=r"state\.db: the disk is full: make room and try again"):
            await runtime.dispatch(first)
        with pytest.raises(StoreFull):
            await runtime.dispatch(second)
        assert (runtime.health().status, runtime.health().head) == ("running", 2)
        records = [vars(record) for record in caplog.records if record.name == "orchestrion.actors.log.dispatcher"]
        assert [(one["command_id"], one["thread_id"]) for one in records] == [("turn-0", "t1"), ("turn-1", "t1")]
        assert last_error(runtime, "dispatcher").times == 2
        assert [event.sequence for event in await log_of(runtime)] == [1, 2]
        disk.free()
        assert await runtime.dispatch(first) == DispatchResult(sequence=4, duplicate=False)
        assert await runtime.dispatch(first) == DispatchResult(sequence=4, duplicate=True)
        await assert_whole(runtime, path)


async def test_each_of_many_callers_gets_its_own_outcome(disk: SmallDisk, path: Path) -> None:
    commands = turns(40, text="x" * 20_000)
    async with open_runtime(path) as runtime:
        await prepare_thread(runtime)
        disk.leave(400)
        before = await outcomes(runtime, commands)
        accepted = {number: one.sequence for number, one in enumerate(before) if isinstance(one, DispatchResult)}
        assert 0 < len(accepted) < len(commands)
        assert runtime.health().head == 2 + 2 * len(accepted)
        disk.free()
        after = await outcomes(runtime, commands)
        assert all(isinstance(one, DispatchResult) for one in after)
        assert {
            number: one.sequence
            for number, one in enumerate(after)
            if isinstance(one, DispatchResult) and one.duplicate
        } == accepted
        await assert_whole(runtime, path)


async def test_rows_that_find_no_room_wait_for_it_and_everything_else_goes_on(
    disk: SmallDisk, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projectors_module, "PATIENCE_SECONDS", 0.05)
    async with open_runtime(path) as runtime:
        await prepare_thread(runtime)
        await runtime.wait_until_projected(2)
        disk.leave(580)  # enough for the message in the log, not for the same message in its row
        (turn,) = turns(1, text=HUGE)
        assert (await runtime.dispatch(turn)).sequence == 4
        with pytest.raises(ProjectionStalled, match="full") as stalled:
            await runtime.get_snapshot()
        assert stalled.value.projector == MESSAGES
        health = {one.name: one for one in runtime.health().projectors}
        assert {name for name, one in health.items() if one.status == "retrying"} == {MESSAGES}
        assert "the disk is full" in str(health[MESSAGES].fault)
        as_it_is = await runtime.get_snapshot(allow_stalled=True)
        assert as_it_is.threads[0].messages == ()
        assert [event.sequence for event in await log_of(runtime)] == [1, 2, 3, 4]
        disk.free()
        await assert_whole(runtime, path)
        assert {one.status for one in runtime.health().projectors} == {"live"}
        assert "the disk is full" in last_error(runtime, MESSAGES).error


async def test_a_rebuild_without_room_leaves_the_old_rows_and_no_scratch_file(disk: SmallDisk, path: Path) -> None:
    log = random_log(91, 600)
    await write_log(path, log)
    async with open_runtime(path) as runtime:
        disk.fill()
        with pytest.raises(StoreFull):
            await runtime.rebuild()
        assert [one.name for one in disk.directory.iterdir() if "rebuild" in one.name] == []
        assert to_json(await runtime.get_snapshot()) == snapshot_json(log)
        assert runtime.health().status == "running"
        disk.free()
        await runtime.rebuild()
        assert to_json(await runtime.get_snapshot()) == snapshot_json(log)


async def test_new_database_opens_whole_or_not_at_all_with_any_free_space(disk: SmallDisk, path: Path) -> None:
    refused = 0
    for kib in range(0, 2000, 24):
        disk.leave(kib)
        try:
            async with open_runtime(path) as runtime:
                assert runtime.health().head == 0
        except StoreFull:
            refused += 1
            assert not path.with_name("state.db.owner.new").exists()
        else:
            break
    assert refused > 3
    disk.free()
    async with open_runtime(path) as runtime:
        await prepare_thread(runtime)
        await assert_whole(runtime, path)


async def test_a_start_that_replays_ends_or_can_be_tried_again_with_any_room(disk: SmallDisk, path: Path) -> None:
    log = random_log(92, 1500)
    await write_log(path, log)
    refused = 0
    for kib in range(0, 4000, 100):
        disk.leave(kib)
        try:
            async with open_runtime(path) as runtime:
                snapshot = to_json(await runtime.get_snapshot())
        except StoreFull:
            refused += 1
        else:
            break
    assert refused > 2
    assert snapshot == snapshot_json(log)


async def test_a_clean_stop_without_room_neither_waits_nor_reports_a_defect(
    disk: SmallDisk, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projector_module, "IDLE_SECONDS", 3600)
    async with open_runtime(path) as runtime:
        await prepare_thread(runtime)
        await runtime.wait_until_projected(2)
        disk.fill()
        for number in range(40):
            with suppress(StoreFull):
                await runtime.dispatch(make.project_create(f"lazy-{number}"))
        head = runtime.health().head
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    records = [record.getMessage() for record in caplog.records if "ends at" in record.getMessage()]
    assert all("the next start continues from there" in message for message in records)
    assert records
    disk.free()
    async with open_runtime(path) as runtime:
        assert runtime.health().head == head
        await assert_whole(runtime, path)
