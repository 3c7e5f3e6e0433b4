"""Subscriptions deliver every event after a position once, in order, to slow readers too."""

from __future__ import annotations

from pathlib import Path

import anyio
import peewee
import pytest

from orchestrion import (
    LoggedEvent,
    NotFound,
    RuntimeStopped,
    SequenceAheadOfLog,
    ThreadId,
    UndecodableEvent,
    open_runtime,
)
from orchestrion.actors.log import event_log
from orchestrion.actors.log.subscriptions import Subscription
from orchestrion.contracts.event_codec import EventRow, decode_event
from orchestrion.contracts.values import Label
from orchestrion.persistence import event_store
from orchestrion.persistence.event_store import EventPage, read_page
from tests.support import builders as make
from tests.support.core import Core, open_core, run_sql, write_log
from tests.support.random_commands import random_log

pytestmark = pytest.mark.anyio

LOG = random_log(21, 2_500)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def dispatch_projects(core: Core, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await core.dispatch(make.project_create(f"p{number}"))


async def take(subscription: Subscription, count: int) -> list[int]:
    with anyio.fail_after(180):
        return [(await anext(subscription)).sequence for _ in range(count)]


@pytest.mark.lesson("L7")
@pytest.mark.spec("R17", "E14")
async def test_a_long_log_is_delivered_whole_and_equal(path: Path) -> None:
    await write_log(path, LOG)
    async with open_core(path, starts=["dispatcher"]) as core, Subscription(core.log, 0, None) as events:
        assert [await anext(events) for _ in LOG] == LOG
        assert events.caught_up
        assert events.position == len(LOG)


@pytest.mark.lesson("L25")
@pytest.mark.spec("R17")
@pytest.mark.parametrize("start", [1, 999, 1_000, 1_001, len(LOG) - 1])
async def test_a_subscription_starts_right_behind_its_position_and_goes_on_live(path: Path, start: int) -> None:
    await write_log(path, LOG)
    async with open_core(path, starts=["dispatcher"]) as core, Subscription(core.log, start, None) as events:
        found = await take(events, len(LOG) - start)
        await dispatch_projects(core, 1, 3)
        assert found + await take(events, 3) == list(range(start + 1, len(LOG) + 4))


@pytest.mark.spec("R17")
@pytest.mark.lesson("L11")
async def test_events_that_overflow_a_channel_are_read_from_the_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 4)
    async with open_core(path, starts=["dispatcher"]) as core, Subscription(core.log, 0, None) as events:
        await dispatch_projects(core, 1, 1)
        assert await take(events, 1) == [1]
        await dispatch_projects(core, 2, 30)
        assert await take(events, 10) == list(range(2, 12))
        await dispatch_projects(core, 31, 40)
        assert await take(events, 29) == list(range(12, 41))


@pytest.mark.spec("R17")
async def test_readers_of_any_speed_get_every_event_once_under_load(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 8)
    monkeypatch.setattr(event_log, "PAGE_EVENTS", 16)
    total = 300
    found: dict[int, list[int]] = {}

    async def read(core: Core, pauses: int) -> None:
        async with Subscription(core.log, 0, None) as events:
            sequences = found[pauses] = []
            while len(sequences) < total:
                sequences += await take(events, 1)
                for _ in range(pauses):
                    await anyio.lowlevel.checkpoint()

    async with open_core(path, starts=["dispatcher"]) as core, anyio.create_task_group() as tasks:
        for pauses in (0, 1, 7, 40):
            tasks.start_soon(read, core, pauses)
        await dispatch_projects(core, 1, total)
    assert found == {pauses: list(range(1, total + 1)) for pauses in (0, 1, 7, 40)}


async def test_a_cancelled_wait_loses_nothing(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core, Subscription(core.log, 0, None) as events:
        found: list[int] = []
        for number in range(1, 30):
            with anyio.move_on_after(0):
                found += await take(events, 1)
            await dispatch_projects(core, number, number)
        found += await take(events, 29 - len(found))
        assert found == list(range(1, 30))


@pytest.mark.spec("R16")
async def test_a_position_beyond_the_head_is_refused(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create())
        with pytest.raises(SequenceAheadOfLog) as ahead:
            runtime.subscribe(2)
        assert (ahead.value.sequence, ahead.value.head) == (2, 1)
        with pytest.raises(SequenceAheadOfLog):
            await anext(runtime.replay_events(2))
        async with runtime.subscribe(1) as events:
            assert events.caught_up


@pytest.mark.spec("R18")
async def test_undecodable_events_are_delivered_raw_and_in_order(path: Path) -> None:
    await write_log(path, LOG[:10])
    await run_sql(path, "UPDATE orchestration_events SET payload_json = '{}' WHERE sequence = 3")
    await run_sql(path, "UPDATE orchestration_events SET event_type = 'thread.sung' WHERE sequence = 5")
    async with open_core(path, starts=["dispatcher"]) as core, Subscription(core.log, 0, None) as events:
        found = [await anext(events) for _ in range(10)]
        broken, unknown = found[2], found[4]
        assert isinstance(broken, UndecodableEvent)
        assert (broken.known, broken.payload_json) == (True, "{}")
        assert isinstance(unknown, UndecodableEvent)
        assert (unknown.known, unknown.event_type) == (False, "thread.sung")
        assert [*found[:2], found[3], *found[5:]] == [*LOG[:2], LOG[3], *LOG[5:10]]


@pytest.mark.spec("R17")
async def test_a_threads_subscription_delivers_only_its_events(path: Path) -> None:
    thread = ThreadId(next(event.stream_id for event in LOG if event.aggregate_kind == "thread"))
    own = [event for event in LOG if (event.aggregate_kind, event.stream_id) == ("thread", thread)]
    await write_log(path, LOG)
    async with open_core(path, starts=["dispatcher"]) as core:
        async with Subscription(core.log, 0, thread) as events:
            assert [await anext(events) for _ in own] == own
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anext, events)
                await anyio.wait_all_tasks_blocked()
                await dispatch_projects(core, 1, 1)
                with anyio.fail_after(180):
                    while events.position != len(LOG) + 1:
                        await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        assert core.log.followers == len(core.projectors.all)


@pytest.mark.lesson("L47")
async def test_a_thread_that_never_was_is_not_found(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create())
        followers = runtime.health().followers
        with pytest.raises(NotFound, match="nobody"):
            async with runtime.subscribe(0, ThreadId("nobody")):
                pass
        assert runtime.health().followers == followers
        with pytest.raises(NotFound):
            await anext(runtime.subscribe(0, ThreadId("nobody")))
        with pytest.raises(NotFound):
            await anext(runtime.replay_events(0, ThreadId("nobody")))
        with pytest.raises(NotFound):
            await anext(runtime.replay_events(0, ThreadId("p1")))  # a project is not a thread


@pytest.mark.lesson("L47")
async def test_a_threads_events_behind_many_others_take_as_many_steps_as_alone(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        alone = await steps_of(core, ThreadId("t1"))
        await dispatch_projects(core, 1001, 1300)
        assert await steps_of(core, ThreadId("t1")) == alone


async def steps_of(core: Core, thread_id: ThreadId) -> int:
    """SQLite's virtual-machine steps for reading a thread's events and looking for more."""
    page = EventPage(after=0, limit=1000, up_to=core.log.head, thread_id=thread_id)

    def counted(database: peewee.SqliteDatabase) -> int:
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        database.connection().set_progress_handler(step, 1)
        assert [event.event_type for event in read_page(database, page).events] == ["thread.created"]
        database.connection().set_progress_handler(None, 1)
        return steps

    return await core.lane.run(counted)


@pytest.mark.lesson("L47")
async def test_a_threads_subscriber_that_falls_behind_reads_its_own_events_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 2)
    read: list[int] = []

    def counting(row: EventRow) -> LoggedEvent:
        read.append(row.sequence)
        return decode_event(row)

    monkeypatch.setattr(event_store, "decode_event", counting)
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        async with Subscription(core.log, 0, ThreadId("t1")) as events:
            assert await take(events, 1) == [2]
            read.clear()
            await dispatch_projects(core, 1001, 1020)
            changed = await core.dispatch(make.thread_meta_update(title=Label("Other")))
            assert await take(events, 1) == [changed.sequence]
            assert read == [changed.sequence]
            assert events.position == changed.sequence == core.log.head


@pytest.mark.spec("R17")
async def test_a_subscription_ends_with_the_runtime_and_after_the_last_event(path: Path) -> None:
    found: list[int] = []

    async def read(events: Subscription) -> None:
        async with events:
            found.extend([event.sequence async for event in events])

    async with anyio.create_task_group() as tasks, open_runtime(path) as runtime:
        tasks.start_soon(read, runtime.subscribe(0))
        for number in range(1, 21):
            await runtime.dispatch(make.project_create(f"p{number}"))
    assert found == list(range(1, 21))
    with pytest.raises(RuntimeStopped):
        await anext(runtime.replay_events(0))
    with pytest.raises(RuntimeStopped):
        await runtime.get_snapshot()


async def test_replay_ends_at_the_head_it_began_with(path: Path) -> None:
    async with open_runtime(path) as runtime:
        for number in range(1, 6):
            await runtime.dispatch(make.project_create(f"p{number}"))
        found = []
        async for event in runtime.replay_events(1):
            found.append(event.sequence)
            if event.sequence < 4:
                await runtime.dispatch(make.project_create(f"q{event.sequence}"))
        assert found == [2, 3, 4, 5]
        assert [event.sequence async for event in runtime.replay_events(7)] == []
