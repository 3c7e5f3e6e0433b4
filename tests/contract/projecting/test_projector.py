"""Projectors: rows and position move together, a fault stops only its own projector, and waiting readers are woken.

One long module: its tests share one projector and the faults that it may meet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import attrs
import peewee
import pytest

from orchestrion.actors.backoff import Backoff
from orchestrion.actors.projecting import condition as projector_condition
from orchestrion.actors.projecting import projector as projector_module
from orchestrion.actors.projecting import projectors as projectors_module
from orchestrion.contracts.errors import InvalidRequest, ProjectionStalled, RuntimeStopped
from orchestrion.contracts.events import PersistedEvent, ThreadMessageSent
from orchestrion.contracts.values import EPOCH, Label
from orchestrion.persistence.bootstrap import ReplayRequest, replay_to_head
from orchestrion.persistence.projections import PROJECTIONS, Projection
from orchestrion.persistence.snapshot import read_cut
from tests.support import builders as make
from tests.support.core import Core, open_core, run_sql, write_log
from tests.support.projection_oracle import fold
from tests.support.random_commands import random_log

pytestmark = pytest.mark.anyio

LOG = random_log(11, 700)
MESSAGES = "projection.thread-messages"
PROJECTS = "projection.projects"
STATE = "SELECT projector, last_applied_sequence, updated_at FROM projection_state ORDER BY projector"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@attrs.frozen
class Faulty:
    """A projection that fails at events of one type, as a defect would."""

    projection: Projection
    at_sequence: int
    error: type[Exception] = ValueError
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return self.projection.name

    @property
    def model(self) -> type[peewee.Model]:
        return self.projection.model

    @property
    def handles(self) -> frozenset[str]:
        return self.projection.handles

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        self.projection.apply(database, events)
        if any(event.sequence == self.at_sequence for event in events):
            raise self.error("a defect")


def with_fault(name: str, at_sequence: int) -> list[Any]:
    return [Faulty(one, at_sequence) if one.name == name else one for one in PROJECTIONS]


async def rows(core: Core, table: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(field.column_name for field in model_of(table)._meta.sorted_fields)
    return await core.sql(f"SELECT {columns} FROM {table} ORDER BY rowid")


def model_of(table: str) -> type[peewee.Model]:
    return next(one.model for one in PROJECTIONS if one.model._meta.table_name == table)


def table_of(name: str) -> str:
    return str(next(one.model._meta.table_name for one in PROJECTIONS if one.name == name))


async def assert_equals_fold(core: Core, events: Sequence[PersistedEvent], *, besides: str = "") -> None:
    for table, expected in fold(events).items():
        if table != besides:
            assert await rows(core, table) == expected, table


async def until(condition: Any) -> None:
    with anyio.fail_after(180):
        while not condition():
            await anyio.lowlevel.checkpoint()


@pytest.mark.spec("P32", "P34", "P35", "P37", "W13")
async def test_a_clean_end_stores_every_projector_at_the_head(path: Path) -> None:
    await write_log(path, LOG)
    async with open_core(path) as core:
        await core.projected()
        await assert_equals_fold(core, LOG)
        assert core.projectors.positions() == dict.fromkeys((one.name for one in PROJECTIONS), len(LOG))
    stored = await run_sql(path, STATE)
    assert stored == [(name, len(LOG), LOG[-1].occurred_at) for name in sorted(one.name for one in PROJECTIONS)]


@pytest.mark.spec("P34")
async def test_a_position_is_dated_by_its_event_or_by_the_epoch(path: Path) -> None:
    async with open_core(path, starts=[]) as core:
        assert {(row[1], row[2]) for row in await core.sql(STATE)} == {(0, EPOCH)}
    async with open_core(path) as core:
        await core.dispatch(make.project_create(created_at=make.at(77)))
        await core.projectors.wait_until(1, [PROJECTS])
        assert (PROJECTS, 1, make.at(77)) in await core.sql(STATE)


@pytest.mark.spec("P31")
async def test_rows_and_position_are_one_transaction(path: Path) -> None:
    """Make a position that cannot be written fail the rows of its batch too."""
    await write_log(path, LOG[:50])
    await run_sql(
        path,
        "CREATE TRIGGER injected BEFORE UPDATE ON projection_state WHEN NEW.projector = 'projection.threads'"
        " BEGIN SELECT RAISE(ABORT, 'injected'); END",
    )
    async with open_core(path) as core:
        with pytest.raises(ProjectionStalled, match="injected"):
            await core.projectors.wait_until(50, ["projection.threads"])
        assert await rows(core, "projection_threads") == []
        assert (await core.sql("SELECT * FROM projection_state WHERE projector = 'projection.threads'"))[0][1] == 0
        others = [one.name for one in PROJECTIONS if one.name != "projection.threads"]
        await core.projectors.wait_until(50, others)
        await assert_equals_fold(core, LOG[:50], besides="projection_threads")


@pytest.mark.spec("P37")
async def test_events_that_concern_no_row_move_the_position_lazily(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_module, "IDLE_SECONDS", 3600)
    monkeypatch.setattr(projector_module, "LAZY_EVENTS", 20)
    stored = "SELECT last_applied_sequence FROM projection_state WHERE projector = 'projection.checkpoints'"
    async with open_core(path) as core:
        for number in range(1, 20):
            await core.dispatch(make.project_create(f"p{number}"))
        await core.projected()
        assert core.projector("projection.checkpoints").position == 19
        assert await core.sql(stored) == [(0,)]
        await core.dispatch(make.project_create("p20"))
        await core.projected()
        assert await core.sql(stored) == [(20,)]
        await core.dispatch(make.project_create("p21"))
        await core.projected()
        assert await core.sql(stored) == [(20,)]
        async with core.projectors.cut(read_cut) as (_, cut):
            assert cut.last_applied_sequence == 21
        assert await core.sql(stored) == [(21,)]


async def test_an_idle_projector_stores_its_lazy_position(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_module, "IDLE_SECONDS", 0.01)
    async with open_core(path) as core:
        await core.dispatch(make.project_create())
        with anyio.fail_after(180):
            while {row[1] for row in await core.sql(STATE)} != {1}:
                await anyio.lowlevel.checkpoint()


@pytest.mark.lesson("L26")
@pytest.mark.parametrize("sequence", [1, 333, len(LOG)])
async def test_a_defect_halts_its_projector_alone_right_before_the_event(path: Path, sequence: int) -> None:
    handled = next(one for one in PROJECTIONS if one.name == "projection.threads").handles
    failing = next(event.sequence for event in [*LOG[sequence - 1 :], *reversed(LOG)] if event.event_type in handled)
    await write_log(path, LOG)
    async with open_core(path, projections=with_fault("projection.threads", failing)) as core:
        with pytest.raises(ProjectionStalled, match=rf"event {failing}: ValueError\('a defect'\)") as stalled:
            await core.projected()
        assert stalled.value.projector == "projection.threads"
        assert stalled.value.position == failing - 1
        assert "orchestrion rebuild" in str(stalled.value)
        assert core.projector("projection.threads").health().status == "halted"
        assert await rows(core, "projection_threads") == fold(LOG[: failing - 1])["projection_threads"]
        others = [one.name for one in PROJECTIONS if one.name != "projection.threads"]
        await core.projectors.wait_until(len(LOG), others)
        await assert_equals_fold(core, LOG, besides="projection_threads")


@pytest.mark.spec("R9")
async def test_a_halted_projector_fails_a_cut_at_once_and_the_others_go_on(path: Path) -> None:
    async with open_core(path, projections=with_fault(PROJECTS, 2)) as core:
        await core.dispatch(make.project_create("p1"))
        async with core.projectors.cut(read_cut) as (_, cut):
            assert cut.last_applied_sequence == 1
        await core.dispatch(make.project_create("p2"))
        for _ in range(2):
            with pytest.raises(ProjectionStalled, match=PROJECTS):
                async with core.projectors.cut(read_cut):
                    pass
        await core.dispatch(make.thread_create())
        await core.projectors.wait_until(3, ["projection.threads"])
        with pytest.raises(ProjectionStalled):
            await core.projectors.wait_until(3, [PROJECTS])


async def test_a_defect_while_a_cut_waits_fails_that_cut(path: Path) -> None:
    async with open_core(path, projections=with_fault(PROJECTS, 1), starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())

        async def expect_stall() -> None:
            with pytest.raises(ProjectionStalled, match="a defect"):
                async with core.projectors.cut(read_cut):
                    pass

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(expect_stall)
            await anyio.wait_all_tasks_blocked()
            core.start_projectors()
        await until(lambda: core.projector(PROJECTS).status == "halted")


@pytest.mark.spec("R8")
async def test_a_missing_position_halts_its_projector_and_blames_no_event(path: Path) -> None:
    async with open_core(path) as core:
        await core.sql("DELETE FROM projection_state WHERE projector = 'projection.projects'")
        await core.dispatch(make.project_create())
        with pytest.raises(ProjectionStalled) as stalled:
            await core.projectors.wait_until(1, [PROJECTS])
        assert stalled.value.fault == "its position is missing"
        assert await rows(core, "projection_projects") == []


async def _lock_out(core: Core) -> peewee.SqliteDatabase:
    """Another process takes the write lock, and statements do not wait for it."""
    await core.sql("PRAGMA busy_timeout = 0")

    def lock() -> peewee.SqliteDatabase:
        other = peewee.SqliteDatabase(str(core.path), thread_safe=False, check_same_thread=False)
        other.connect()
        other.execute_sql("BEGIN IMMEDIATE")
        return other

    return await anyio.to_thread.run_sync(lock)


async def test_a_transient_storage_error_is_tried_again_until_it_has_passed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector_condition, "BACKOFF", Backoff(first_seconds=0.05, longest_seconds=0.05))
    await write_log(path, LOG[:100])
    async with open_core(path, starts=[]) as core:
        other = await _lock_out(core)
        core.start_projectors()
        await until(lambda: all(one.status == "retrying" for one in core.projectors.all))
        assert "locked" in str(core.projector(MESSAGES).health().fault)
        await anyio.to_thread.run_sync(other.close)
        await core.projected()
        await until(lambda: {one.status for one in core.projectors.all} == {"live"})
        assert {one.health().fault for one in core.projectors.all} == {None}
        await assert_equals_fold(core, LOG[:100])


async def test_a_projector_that_keeps_retrying_fails_a_cut_after_a_while(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projectors_module, "PATIENCE_SECONDS", 0.01)
    await write_log(path, LOG[:100])
    async with open_core(path, starts=[]) as core:
        other = await _lock_out(core)
        core.start_projectors()
        with pytest.raises(ProjectionStalled, match="locked"):
            async with core.projectors.cut(read_cut):
                pass
        await anyio.to_thread.run_sync(other.close)
        await core.projected()
        await until(lambda: {one.status for one in core.projectors.all} == {"live"})
        async with core.projectors.cut(read_cut) as (_, cut):
            assert cut.last_applied_sequence == 100


async def test_projector_that_keeps_failing_delays_no_snapshot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projectors_module, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setattr(projector_module, "PATIENCE_SECONDS", 0.0)
    await write_log(path, LOG[:100])
    async with open_core(path, starts=[]) as core:
        other = await _lock_out(core)
        core.start_projectors()
        await until(lambda: all(one.status == "retrying" for one in core.projectors.all))
        with anyio.fail_after(180), pytest.raises(ProjectionStalled, match="locked"):
            async with core.projectors.cut(read_cut):
                pass
        await anyio.to_thread.run_sync(other.close)
        await core.projected()
        async with core.projectors.cut(read_cut) as (_, cut):
            assert cut.last_applied_sequence == 100


async def test_a_stop_ends_a_waiting_cut_with_runtime_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A projector that gives up during a stop never arrives: neither readers nor other projectors wait for it."""
    monkeypatch.setattr(projectors_module, "PATIENCE_SECONDS", 3600.0)
    monkeypatch.setattr(projector_condition, "BACKOFF", Backoff(first_seconds=0.05, longest_seconds=0.05))
    await write_log(path, LOG[:100])
    errors: list[str] = []

    async def cut(core: Core) -> None:
        with pytest.raises(RuntimeStopped, match="the runtime takes no more events") as closed:
            async with core.projectors.cut(read_cut):
                pass
        errors.append(str(closed.value))

    with anyio.fail_after(180):
        async with open_core(path, starts=[]) as core:
            other = await _lock_out(core)
            core.start_projectors()
            await until(lambda: all(one.status == "retrying" for one in core.projectors.all))
            async with anyio.create_task_group() as readers:
                readers.start_soon(cut, core)
                await anyio.wait_all_tasks_blocked()
                core.log.end()
            await anyio.to_thread.run_sync(other.close)
    assert len(errors) == 1


@pytest.mark.spec("P31")
@pytest.mark.parametrize("took_place", [True, False])
async def test_a_commit_of_unknown_outcome_is_applied_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, took_place: bool
) -> None:
    await write_log(path, LOG)
    # One commit is all projectors' first one; looked up afterwards, each continues by itself.
    failures, most = 0, 1 if took_place else len(PROJECTIONS)

    def patch(database: peewee.SqliteDatabase) -> None:
        execute: Callable[..., Any] = database.execute_sql

        def execute_sql(sql: str, *parameters: Any) -> Any:
            nonlocal failures
            if sql != "COMMIT" or failures == most:
                return execute(sql, *parameters)
            failures += 1
            if took_place:
                execute(sql)
            raise peewee.OperationalError("disk I/O error")

        monkeypatch.setattr(database, "execute_sql", execute_sql)

    async with open_core(path, starts=[]) as core:
        await core.lane.run(patch)
        core.start_projectors()
        await core.projected()
        assert failures == most
        await assert_equals_fold(core, LOG)


@pytest.mark.lesson("L78")
@pytest.mark.parametrize("starting", [False, True])
async def test_an_event_that_sqlite_cannot_hold_is_skipped_alone(path: Path, starting: bool) -> None:
    large = [event.sequence for event in LOG if event.event_type == "thread.message-sent"][3]
    too_long = [
        attrs.evolve(event, payload=attrs.evolve(event.payload, text="x" * 200_000))
        if event.sequence == large and isinstance(event.payload, ThreadMessageSent)
        else event
        for event in LOG
    ]
    await write_log(path, too_long)
    async with open_core(path, starts=("dispatcher",)) as core:
        await core.lane.run(lambda database: database.connection().setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000))
        if starting:
            request = ReplayRequest(projections=PROJECTIONS)
            log = peewee.SqliteDatabase(str(path), thread_safe=False, check_same_thread=False)
            assert await core.lane.run(lambda database: replay_to_head(database, request, source=log)) == []
            await core.lane.run(lambda _: log.close())
        else:
            core.start_projectors()
            await core.projected()
            assert core.projector(MESSAGES).health().quarantined == 1
        await assert_equals_fold(core, [event for event in LOG if event.sequence != large])


@pytest.mark.lesson("L12")
@pytest.mark.lesson("L26")
@pytest.mark.spec("E6", "P37")
async def test_undecodable_events_are_skipped_and_known_types_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [event.sequence for event in LOG if event.event_type == "thread.message-sent"]
    broken, unknown = messages[3], messages[5]
    await write_log(path, LOG)
    await run_sql(path, "UPDATE orchestration_events SET payload_json = '{}' WHERE sequence = ?", broken)
    await run_sql(path, "UPDATE orchestration_events SET event_type = 'thread.sung' WHERE sequence = ?", unknown)
    async with open_core(path) as core:
        await core.projected()
        await assert_equals_fold(core, [event for event in LOG if event.sequence not in (broken, unknown)])
        assert core.projector(MESSAGES).health().quarantined == 1
        assert (MESSAGES, broken) in [(vars(one)["actor"], vars(one)["event_sequence"]) for one in caplog.records]
        assert core.projector(PROJECTS).health().quarantined == 0
        await core.dispatch(make.project_create("later"))
        await core.projected()
        assert core.projector(MESSAGES).position == len(LOG) + 1


@pytest.mark.lesson("L22")
async def test_l22_a_waiter_is_woken_by_the_projector_and_looks_at_no_clock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await anyio.lowlevel.checkpoint()

    async with open_core(path, starts=["dispatcher"]) as core:
        core.start_projectors()
        for number in range(1, 6):
            monkeypatch.setattr(anyio, "sleep", sleep)
            result = await core.dispatch(make.project_create(f"p{number}"))
            await core.projectors.wait_until(result.sequence, [PROJECTS])
            monkeypatch.undo()
            assert core.projector(PROJECTS).position >= result.sequence
    assert slept == []


async def test_waiting_is_woken_by_the_projector_and_names_are_checked(path: Path) -> None:
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())
        woken: list[str] = []

        async def wait(name: str) -> None:
            await core.projectors.wait_until(1, [name])
            woken.append(name)

        async with anyio.create_task_group() as tasks:
            for one in PROJECTIONS:
                tasks.start_soon(wait, one.name)
            await anyio.wait_all_tasks_blocked()
            assert woken == []
            core.start_projectors()
        assert sorted(woken) == sorted(one.name for one in PROJECTIONS)
        with pytest.raises(InvalidRequest, match=r"no such projector: nobody; there are: projection\.projects"):
            await core.projectors.wait_until(1, ["nobody"])
        await core.dispatch(make.project_create("p2"))
        await core.projected()


async def test_log_that_ends_wakes_waiting_followers(path: Path) -> None:
    async with open_core(path) as core:
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with pytest.raises(RuntimeStopped):
                    await core.projectors.wait_until(7)

            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            core.log.end()
        with pytest.raises(RuntimeStopped):
            async with core.projectors.cut(read_cut):
                pass


@pytest.mark.lesson("L10")
@pytest.mark.spec("P36")
@pytest.mark.parametrize("name", [one.name for one in PROJECTIONS])
async def test_a_projector_alone_gives_the_same_rows(path: Path, name: str) -> None:
    await write_log(path, LOG)
    alone = [one for one in PROJECTIONS if one.name == name]
    async with open_core(path, projections=alone) as core:
        await core.projected()
        for table, expected in fold(LOG).items():
            assert await rows(core, table) == (expected if table == table_of(name) else []), table


@pytest.mark.spec("R9")
async def test_concurrent_readers_share_a_cut_although_one_leaves_early(path: Path) -> None:
    async with open_core(path) as core:
        for number in range(20):
            await core.dispatch(make.project_create(f"p{number}"))
        cuts: list[int] = []

        async def read(gives_up: bool) -> None:
            with anyio.CancelScope() as scope:
                if gives_up:
                    scope.cancel()
                async with core.projectors.cut(read_cut) as (_, cut):
                    cuts.append(cut.last_applied_sequence)

        async with anyio.create_task_group() as tasks:
            for number in range(9):
                tasks.start_soon(read, number % 3 == 0)
        assert cuts == [20] * 6
        await core.dispatch(make.project_meta_update("p1", title=Label("Still going")))
        await core.projected()


async def test_readers_of_rows_do_not_wait_for_the_interval_of_rounds(path: Path) -> None:
    """Also if the first requests were spent on rounds without the projector."""
    async with open_core(path) as core:
        core.rounds._interval = 3600
        projects = core.projector("projection.projects")
        with anyio.fail_after(180):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(projects.wait_until, core.log.head + 1)
                await anyio.wait_all_tasks_blocked()
                for _ in range(2):
                    await core.rounds.run_job(lambda _: None)
                    await anyio.wait_all_tasks_blocked()
                await core.dispatch(make.project_create("p1"))
        core.rounds._interval = 0
        core.rounds.hurry()  # at the end nobody waits, and a stop takes its rounds as they come
