"""A round is one transaction with the projectors' writes of one moment; each write still fails alone."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

import anyio
import attrs
import peewee
import pytest
from anyio.to_thread import run_sync

from orchestrion.actors.projecting.rounds import Rounds
from orchestrion.persistence.database import open_writer
from orchestrion.persistence.failures import CommitOutcomeUnknown
from orchestrion.persistence.lane import Job, WriteLane

pytestmark = pytest.mark.anyio


@attrs.frozen
class RowWrite:
    """Writes one row, and may raise afterwards."""

    name: str
    is_defective: bool = False
    can_be_looked_for: bool = True

    def __call__(self, database: peewee.SqliteDatabase) -> None:
        database.execute_sql("INSERT INTO written VALUES (?)", (self.name,))
        if self.is_defective:
            raise ValueError(f"{self.name} has a defect")

    def is_there(self, database: peewee.SqliteDatabase) -> bool:
        if not self.can_be_looked_for:
            raise LookupError(self.name)
        query = "SELECT count(*) FROM written WHERE name = ?"
        return bool(database.execute_sql(query, (self.name,)).fetchone()[0])


@attrs.define
class Opened:
    rounds: Rounds
    lane: WriteLane
    statements: list[str] = attrs.field(factory=list)

    async def rows(self) -> list[str]:
        query = "SELECT name FROM written ORDER BY name"
        return [name for (name,) in await self.lane.run(lambda database: database.execute_sql(query).fetchall())]

    async def write_at_once(self, *writes: RowWrite) -> list[BaseException | None]:
        """Submit writes that share a round, and return the outcome of each."""
        outcomes: list[BaseException | None] = [None] * len(writes)

        async def hand_in(number: int) -> None:
            try:
                await self.rounds.write(writes[number], is_there=writes[number].is_there)
            except Exception as error:
                outcomes[number] = error

        release = threading.Event()
        async with anyio.create_task_group() as tasks:
            # A round is under way until all writes are submitted, so that the next one takes them together.
            tasks.start_soon(self.rounds.run_job, waiting_for(release))
            await anyio.wait_all_tasks_blocked()
            for number in range(len(writes)):
                tasks.start_soon(hand_in, number)
            await anyio.wait_all_tasks_blocked()
            self.statements.clear()
            release.set()
        return outcomes


@asynccontextmanager
async def open_rounds(path: Path) -> AsyncIterator[Opened]:
    writer = await run_sync(open_writer, path / "state.db")
    opened = Opened(Rounds(lane := WriteLane(writer), interval_seconds=0), lane)

    def prepare(database: peewee.SqliteDatabase) -> None:
        database.execute_sql("CREATE TABLE written (name TEXT PRIMARY KEY) STRICT")
        database.connection().set_trace_callback(opened.statements.append)

    try:
        await lane.run(prepare)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opened.rounds.run)
            yield opened
            opened.rounds.close()
    finally:
        await lane.close()


def waiting_for(release: threading.Event) -> Job[None]:
    def job(_: peewee.SqliteDatabase) -> None:
        release.wait()

    return job


def row(name: str) -> RowWrite:
    return RowWrite(name)


def row_and_defect(name: str) -> RowWrite:
    return RowWrite(name, is_defective=True)


async def test_the_writes_of_a_round_are_one_transaction(tmp_path: Path) -> None:
    async with open_rounds(tmp_path) as opened:
        assert await opened.write_at_once(row("a"), row("b"), row("c")) == [None, None, None]
        assert opened.statements.count("COMMIT") == 1
        assert await opened.rows() == ["a", "b", "c"]


async def test_a_write_that_fails_fails_alone_and_leaves_nothing(tmp_path: Path) -> None:
    async with open_rounds(tmp_path) as opened:
        outcomes = await opened.write_at_once(row("a"), row_and_defect("b"), row("c"))
        assert [repr(outcome) for outcome in outcomes] == ["None", "ValueError('b has a defect')", "None"]
        assert await opened.rows() == ["a", "c"]


async def test_a_projectors_failure_stays_its_own_without_lookups(tmp_path: Path) -> None:
    async with open_rounds(tmp_path) as opened:
        outcomes = await opened.write_at_once(RowWrite("a", can_be_looked_for=False), row_and_defect("b"))
        assert [repr(outcome) for outcome in outcomes] == ["None", "ValueError('b has a defect')"]
        assert await opened.rows() == ["a"]


@pytest.mark.parametrize("took_place", [True, False])
async def test_after_a_failed_commit_each_write_that_is_not_there_is_done_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took_place: bool
) -> None:
    def fail_first_commit(database: peewee.SqliteDatabase) -> None:
        execute: Callable[..., Any] = database.execute_sql
        failures: list[str] = []

        def execute_sql(sql: str, *parameters: Any) -> Any:
            if sql != "COMMIT" or failures:
                return execute(sql, *parameters)
            failures.append(sql)
            if took_place:
                execute(sql)
            raise peewee.OperationalError("disk I/O error")

        monkeypatch.setattr(database, "execute_sql", execute_sql)

    async with open_rounds(tmp_path) as opened:
        await opened.lane.run(fail_first_commit)
        assert await opened.write_at_once(row("a"), row("b")) == [None, None]
        assert await opened.rows() == ["a", "b"]


async def test_a_write_whose_commit_fails_alone_too_has_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_commits_of_b(database: peewee.SqliteDatabase) -> None:
        execute: Callable[..., Any] = database.execute_sql

        def execute_sql(sql: str, *parameters: Any) -> Any:
            query = "SELECT count(*) FROM written WHERE name = 'b'"
            if sql == "COMMIT" and execute(query).fetchone() == (1,):
                raise peewee.OperationalError("database or disk is full")
            return execute(sql, *parameters)

        monkeypatch.setattr(database, "execute_sql", execute_sql)

    async with open_rounds(tmp_path) as opened:
        await opened.lane.run(fail_commits_of_b)
        outcomes = await opened.write_at_once(row("a"), row("b"), row("c"))
        assert [type(outcome) for outcome in outcomes] == [NoneType, CommitOutcomeUnknown, NoneType]
        assert await opened.rows() == ["a", "c"]


async def test_a_transaction_that_cannot_begin_is_tried_once_per_round(tmp_path: Path) -> None:
    other = peewee.SqliteDatabase(str(tmp_path / "state.db"), thread_safe=False, check_same_thread=False)
    async with open_rounds(tmp_path) as opened:
        await opened.lane.run(lambda database: database.execute_sql("PRAGMA busy_timeout = 0"))
        await run_sync(other.connect)
        try:
            await run_sync(other.execute_sql, "BEGIN IMMEDIATE")
            outcomes = await opened.write_at_once(row("a"), row("b"))
        finally:
            await run_sync(other.close)
        assert ["locked" in str(outcome) for outcome in outcomes] == [True, True]
        assert opened.statements.count("BEGIN IMMEDIATE") == 1
        assert await opened.write_at_once(row("a"), row("b")) == [None, None]


async def test_job_with_its_own_transactions_runs_outside_any_other(tmp_path: Path) -> None:
    async with open_rounds(tmp_path) as opened:

        def job(database: peewee.SqliteDatabase) -> None:
            assert not database.connection().in_transaction
            with database.atomic("IMMEDIATE"):
                row("alone")(database)

        async with anyio.create_task_group() as tasks:
            joined = row("joined")
            tasks.start_soon(partial(opened.rounds.write, joined, is_there=joined.is_there))
            tasks.start_soon(opened.rounds.run_job, job)
        assert await opened.rows() == ["alone", "joined"]
