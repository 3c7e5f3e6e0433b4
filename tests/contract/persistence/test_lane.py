"""The write lane: jobs run in order on one thread, also if the tasks that wait for them are cancelled."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import peewee
import pytest
from anyio.to_thread import run_sync
from blockbuster import BlockingError

from orchestrion.contracts.errors import RuntimeStopped
from orchestrion.persistence.database import open_writer
from orchestrion.persistence.lane import WriteLane

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def open_lane(path: Path) -> AsyncIterator[WriteLane]:
    lane = WriteLane(await run_sync(open_writer, path / "state.db"))
    try:
        yield lane
    finally:
        await lane.close()


def thread_name(_: peewee.SqliteDatabase) -> str:
    return threading.current_thread().name


async def test_jobs_run_in_order_on_one_thread_and_answer_their_caller(tmp_path: Path) -> None:
    ran: list[int] = []
    answers: dict[int, int] = {}

    async def hand_in(number: int) -> None:
        def job(_: peewee.SqliteDatabase) -> int:
            ran.append(number)
            return number * number

        answers[number] = await lane.run(job)

    async with open_lane(tmp_path) as lane:
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(hand_in, number)
        assert {await lane.run(thread_name) for _ in range(3)} == {"orchestrion-write-lane"}
        assert lane.depth == 0
    assert sorted(ran) == list(range(100))
    assert answers == {number: number * number for number in ran}


async def test_jobs_of_one_caller_keep_its_order(tmp_path: Path) -> None:
    ran: list[str] = []
    gate = threading.Event()
    async with open_lane(tmp_path) as lane, anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run, lambda _: gate.wait(180))
        await anyio.wait_all_tasks_blocked()
        for name in "abc":
            tasks.start_soon(lane.run, lambda _, name=name: ran.append(name))
            await anyio.wait_all_tasks_blocked()
        assert lane.depth == 4
        gate.set()
    assert ran == ["a", "b", "c"]


async def test_a_cancelled_caller_abandons_the_answer_never_the_job(tmp_path: Path) -> None:
    started, gate, done = threading.Event(), threading.Event(), threading.Event()

    def job(database: peewee.SqliteDatabase) -> None:
        started.set()
        gate.wait(180)
        database.execute_sql("CREATE TABLE kept (x INTEGER)")
        done.set()

    async with open_lane(tmp_path) as lane:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run, job)
            await run_sync(started.wait, 180)
            tasks.cancel_scope.cancel()
        assert not done.is_set()
        gate.set()
        rows = await lane.run(lambda database: database.execute_sql("SELECT name FROM sqlite_master").fetchall())
        assert rows == [("kept",)]
        assert lane.depth == 0


async def test_an_error_goes_to_its_caller_alone(tmp_path: Path) -> None:
    def fail(database: peewee.SqliteDatabase) -> None:
        database.execute_sql("SELECT * FROM nowhere")

    async with open_lane(tmp_path) as lane:
        with pytest.raises(peewee.OperationalError, match="nowhere"):
            await lane.run(fail)
        assert await lane.run(lambda _: 7) == 7


async def test_closing_runs_submitted_jobs_then_refuses(tmp_path: Path) -> None:
    ran: list[int] = []
    gate = threading.Event()
    async with open_lane(tmp_path) as lane, anyio.create_task_group() as tasks:
        tasks.start_soon(lane.run, lambda _: gate.wait(180))
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            tasks.start_soon(lane.run, lambda _, number=number: ran.append(number))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(lane.close)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeStopped):
            await lane.run(lambda _: None)
        gate.set()
    assert sorted(ran) == [0, 1, 2]
    await lane.close()
    with pytest.raises(RuntimeStopped):
        await lane.run(lambda _: None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_tests_would_notice_sqlite_on_the_event_loop(tmp_path: Path) -> None:
    database = await run_sync(open_writer, tmp_path / "state.db")
    connection = database.connection()
    with pytest.raises(BlockingError, match="execute"):
        database.execute_sql("SELECT 1")
    with pytest.raises(BlockingError, match="close"):
        connection.close()
    await run_sync(database.close)
