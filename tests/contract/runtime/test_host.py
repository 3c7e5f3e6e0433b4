"""Opening and leaving a runtime: what the host's code sees, and what the file holds afterwards.

One long module: the life of one runtime from opening to leaving.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import peewee
import pytest

from orchestrion import (
    AcpProvider,
    DatabaseInUse,
    InvalidRequest,
    OrchestrionError,
    ProjectionStalled,
    ReplayProgress,
    Runtime,
    RuntimeFailed,
    RuntimeOptions,
    RuntimeStopped,
    UndecodableEvent,
    command_json,
    open_runtime,
    to_json,
)
from orchestrion.actors.projecting import projector as projector_module
from orchestrion.persistence import bootstrap
from orchestrion.persistence.command_group import CommandGroup
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.projections.thread_messages import ThreadMessagesProjection
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.core import run_sql, write_log
from tests.support.random_commands import random_log
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

LOG = random_log(51, 400)
NAMES = sorted(one.name for one in PROJECTIONS)
POSITIONS = "SELECT projector, last_applied_sequence FROM projection_state ORDER BY projector"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def files_beside(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


class HostError(Exception):
    """The host's own exception."""


async def fill(runtime: Runtime, count: int, *, first: int = 1) -> None:
    for number in range(first, first + count):
        await runtime.dispatch(make.project_create(f"p{number}"))


async def test_an_exception_of_the_body_is_raised_after_a_clean_stop(path: Path) -> None:
    error = HostError("mine")

    async def host() -> None:
        async with open_runtime(path) as runtime:
            await fill(runtime, 3)
            raise error

    with pytest.raises(HostError) as raised:
        await host()
    assert raised.value is error
    assert await run_sql(path, POSITIONS) == [(name, 3) for name in NAMES]
    async with open_runtime(path) as runtime:
        assert runtime.health().head == 3


@pytest.mark.parametrize("error", [StopAsyncIteration(), KeyError("mine"), InvalidRequest("providers", "mine")])
async def test_no_exception_is_wrapped_in_a_group(path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        async with open_runtime(path):
            raise error
    assert raised.value is error


async def test_a_cancelled_body_stops_the_runtime_cleanly_under_load(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector_module, "IDLE_SECONDS", 3600)
    accepted = 0
    with anyio.fail_after(180), anyio.CancelScope() as scope:
        async with open_runtime(path) as runtime:
            while True:
                await fill(runtime, 1, first=accepted + 1)
                accepted += 1
                if accepted == 40:
                    await runtime.submit(make.project_create("in the mailbox"))
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    events = (await run_sql(path, "SELECT count(*) FROM orchestration_events"))[0][0]
    assert events == 41
    assert await run_sql(path, POSITIONS) == [(name, 41) for name in NAMES]
    assert files_beside(path) <= {"state.db", "state.db.lock"}


async def test_cancelled_while_opening_everything_is_released(path: Path) -> None:
    with anyio.move_on_after(0):
        async with open_runtime(path) as runtime:
            await anyio.lowlevel.checkpoint()
            await fill(runtime, 1)
    async with open_runtime(path) as runtime:
        await fill(runtime, 1)


async def test_a_clean_stop_leaves_no_log_of_sqlite_and_every_position_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector_module, "IDLE_SECONDS", 3600)
    async with open_runtime(path) as runtime:
        await fill(runtime, 20)
        await runtime.get_snapshot()
        await fill(runtime, 1, first=21)
        left = [one async for one in runtime.replay_events(15)]
        assert len(left) == 6
    assert await run_sql(path, POSITIONS) == [(name, 21) for name in NAMES]
    assert files_beside(path) <= {"state.db", "state.db.lock"}


async def test_second_runtime_gets_an_error_that_names_the_owner(path: Path) -> None:
    async with open_runtime(path) as runtime:
        with pytest.raises(DatabaseInUse) as in_use:
            async with open_runtime(path):
                pass
        assert in_use.value.pid is not None
        assert str(path) in str(in_use.value)
        await fill(runtime, 1)
    async with open_runtime(path) as runtime:
        assert runtime.health().head == 1


async def test_providers_of_one_name_are_refused_before_anything_is_opened(path: Path) -> None:
    with pytest.raises(InvalidRequest, match="expected different names"):
        async with open_runtime(path, providers=[AcpProvider(["a"]), AcpProvider(["b"])]):
            pass
    assert files_beside(path) == set()


@pytest.mark.spec("P32")
async def test_opening_brings_lagging_projections_to_the_head_with_progress(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "PAGE_EVENTS", 100)
    await write_log(path, LOG)
    reported: list[ReplayProgress] = []
    async with open_runtime(path, options=RuntimeOptions(progress=reported.append)) as runtime:
        assert reported == [(applied, 400) for applied in (100, 200, 300, 400)]
        assert to_json(await runtime.get_snapshot()) == snapshot_json(LOG)
    reported.clear()
    async with open_runtime(path, options=RuntimeOptions(progress=reported.append)):
        assert reported == []


async def test_projections_reach_the_head_from_their_own_positions(path: Path) -> None:
    await write_log(path, LOG)
    async with open_runtime(path):
        pass
    table = "projection_thread_messages"
    await run_sql(path, f"DELETE FROM {table}")
    await run_sql(
        path, "UPDATE projection_state SET last_applied_sequence = 0 WHERE projector = 'projection.thread-messages'"
    )
    async with open_runtime(path) as runtime:
        assert to_json(await runtime.get_snapshot()) == snapshot_json(LOG)


async def test_a_stalled_projection_that_decisions_need_prevents_opening(path: Path) -> None:
    await write_log(path, LOG)
    await run_sql(
        path,
        "CREATE TRIGGER injected BEFORE INSERT ON projection_threads BEGIN SELECT RAISE(ABORT, 'injected'); END",
    )
    with pytest.raises(ProjectionStalled, match=r"orchestrion rebuild DB --projector projection\.threads") as stalled:
        async with open_runtime(path):
            pass
    first = next(event.sequence for event in LOG if event.event_type == "thread.created")
    assert stalled.value.position == first - 1
    assert f"event {first}" in stalled.value.fault
    await run_sql(path, "DROP TRIGGER injected")
    async with open_runtime(path) as runtime:
        assert to_json(await runtime.get_snapshot()) == snapshot_json(LOG)


async def test_a_position_beyond_the_head_keeps_the_runtime_from_opening(path: Path) -> None:
    await write_log(path, LOG)
    await run_sql(
        path, "UPDATE projection_state SET last_applied_sequence = 999 WHERE projector = 'projection.projects'"
    )
    with pytest.raises(ProjectionStalled, match="beyond the log's head 400"):
        async with open_runtime(path):
            pass


async def test_stalled_messages_do_not_prevent_opening_and_deciding(path: Path) -> None:
    await write_log(path, LOG)
    await run_sql(
        path,
        "CREATE TRIGGER injected BEFORE INSERT ON projection_thread_messages"
        " BEGIN SELECT RAISE(ABORT, 'injected'); END",
    )
    messages = [event for event in LOG if event.event_type == "thread.message-sent"]
    async with open_runtime(path) as runtime:
        with pytest.raises(ProjectionStalled, match="injected"):
            await runtime.get_snapshot()
        await runtime.dispatch(make.project_create("new"))
        await runtime.dispatch(make.thread_create("new", project_id="new"))
        known = str(messages[-1].payload.message_id)  # type: ignore[union-attr]  # message-sent has one
        with pytest.raises(OrchestrionError, match=known):
            await runtime.dispatch(make.turn_start("new", known))
        status = {one.name: one.status for one in runtime.health().projectors}
        assert status["projection.thread-messages"] == "halted"
        assert set(status.values()) == {"halted", "live"}


@pytest.mark.lesson("L12")
@pytest.mark.parametrize("with_agents", [False, True])
async def test_l12_undecodable_rows_are_reported_and_do_not_prevent_opening(path: Path, with_agents: bool) -> None:
    await write_log(path, LOG)
    broken = {event.event_type: event.sequence for event in LOG}
    for sequence in broken.values():
        await run_sql(path, "UPDATE orchestration_events SET payload_json = '{}' WHERE sequence = ?", sequence)
    agents = [AcpProvider(["no-such-agent"])] if with_agents else []
    for _ in range(2):
        async with open_runtime(path, providers=agents) as runtime:
            assert {one.status for one in runtime.health().projectors} == {"live"}
            found = [event async for event in runtime.replay_events(0)]
            undecodable = {event.sequence for event in found if isinstance(event, UndecodableEvent)}
            assert undecodable == set(broken.values())
    report = await anyio.to_thread.run_sync(verify_database, path)
    reported = {finding.where for finding in report.findings if finding.check == "payloads"}
    assert reported == {f"event {sequence} ({kind})" for kind, sequence in broken.items()}


@pytest.mark.lesson("L14")
async def test_l14_a_foreign_lock_delays_a_command_and_fails_none(
    path: Path,
) -> None:
    stranger = sqlite3.connect(path.with_name("state.db"), isolation_level=None, check_same_thread=False)
    async with open_runtime(path) as runtime:
        await fill(runtime, 1)
        await anyio.to_thread.run_sync(stranger.execute, "BEGIN IMMEDIATE")
        answered = anyio.Event()

        async def dispatch() -> None:
            await fill(runtime, 1, first=2)
            answered.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatch)
            while not runtime.health().lane_depth:
                await anyio.lowlevel.checkpoint()
            assert [event.sequence async for event in runtime.replay_events(0)] == [1]
            assert not answered.is_set()
            await anyio.to_thread.run_sync(stranger.execute, "ROLLBACK")
        assert answered.is_set()
        assert (await runtime.get_snapshot()).snapshot_sequence == 2
    await anyio.to_thread.run_sync(stranger.close)


@pytest.mark.lesson("L9")
async def test_an_outdated_projection_is_rebuilt_before_the_first_command(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    async with open_runtime(path):
        pass
    await run_sql(path, "UPDATE projection_thread_messages SET text = 'as an older version wrote it'")
    monkeypatch.setattr(ThreadMessagesProjection, "version", 3)
    reported: list[ReplayProgress] = []
    async with open_runtime(path, options=RuntimeOptions(progress=reported.append)) as runtime:
        assert reported[-1] == (400, 400)
        assert to_json(await runtime.get_snapshot()) == snapshot_json(LOG)
    versions = await run_sql(path, "SELECT projector, version FROM orchestrion_projector_versions ORDER BY projector")
    assert versions == [(name, 3 if name == "projection.thread-messages" else 1) for name in NAMES]
    assert files_beside(path) <= {"state.db", "state.db.lock", "state.db-blobs"}


@pytest.mark.spec("P35")
async def test_a_passive_runtime_performs_no_intents(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create())
        await runtime.dispatch(make.thread_create())
        await runtime.dispatch(make.turn_start())
        await runtime.wait_until_projected(4)
        assert runtime.health().sessions == ()
    assert await run_sql(path, POSITIONS) == [(name, 4) for name in NAMES]
    async with open_runtime(path) as runtime:
        assert runtime.health().head == 4


async def test_a_failed_actor_fails_the_runtime_and_not_the_host(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_runtime(path) as runtime:
        await fill(runtime, 2)

        def fail(*_: Any) -> Any:
            raise RuntimeError("an actor's defect")

        with monkeypatch.context() as patched:
            patched.setattr(CommandGroup, "handle", fail)
            with pytest.raises(RuntimeFailed, match="an actor's defect"):
                await runtime.dispatch(make.project_create("p3"))
        with pytest.raises(RuntimeFailed, match="an actor's defect"):
            await runtime.dispatch(make.project_create("p4"))
        await anyio.lowlevel.checkpoint()
        health = runtime.health()
        assert health.status == "failed"
        assert health.failure == "dispatcher: an actor's defect"
        assert (await runtime.get_snapshot()).snapshot_sequence == 2
        assert [event.sequence async for event in runtime.replay_events(0)] == [1, 2]
    async with open_runtime(path) as runtime:
        await fill(runtime, 1, first=3)
        assert runtime.health().status == "running"


class BrokenLane:
    async def run(self, job: object) -> None:
        raise RuntimeError("an actor's defect")


async def test_rounds_that_fail_leave_no_projector_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with anyio.fail_after(180):
        async with open_runtime(path) as runtime:
            await fill(runtime, 1)
            await runtime.wait_until_projected(1)
            with monkeypatch.context() as patched:
                patched.setattr(runtime._projectors.all[0]._rounds, "_lane", BrokenLane())
                await runtime.dispatch(make.project_create("p2"))
                with pytest.raises((RuntimeStopped, ProjectionStalled)):
                    await runtime.wait_until_projected(2)
            with pytest.raises(RuntimeFailed):
                await runtime.dispatch(make.project_create("p3"))
    async with open_runtime(path) as runtime:
        assert (await runtime.get_snapshot()).snapshot_sequence == 2


async def test_a_stop_past_its_deadline_releases_the_database(path: Path) -> None:
    other = peewee.SqliteDatabase(str(path), thread_safe=False, check_same_thread=False)

    def lock() -> None:
        other.connect()
        other.execute_sql("BEGIN IMMEDIATE")

    with anyio.fail_after(180):
        async with open_runtime(path, options=RuntimeOptions(shutdown_deadline=0.05)) as runtime:
            await fill(runtime, 1)
            await runtime.wait_until_projected(1)
            await runtime.get_snapshot()
            await runtime._dispatcher._lane.run(lambda database: database.execute_sql("PRAGMA busy_timeout = 0"))
            await anyio.to_thread.run_sync(lock)
            with pytest.raises(OrchestrionError, match="locked"):
                await runtime.dispatch(make.project_create("p2"))
            await anyio.to_thread.run_sync(other.close)
            await runtime.dispatch(make.project_create("p2"))
            await anyio.to_thread.run_sync(lock)
        await anyio.to_thread.run_sync(other.close)
    async with open_runtime(path) as runtime:
        assert (await runtime.get_snapshot()).snapshot_sequence == 2


async def test_stopped_runtime_refuses_every_call(path: Path) -> None:
    thread = make.session_stop().thread_id
    async with open_runtime(path) as runtime:
        await fill(runtime, 2)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "submit": lambda: runtime.submit(make.project_create("p9")),
        "dispatch": lambda: runtime.dispatch(make.project_create("p9")),
        "get_snapshot": runtime.get_snapshot,
        "get_snapshot, stalled": lambda: runtime.get_snapshot(allow_stalled=True),
        "get_turn_diff": lambda: runtime.get_turn_diff(thread, 0, 1),
        "preview_revert": lambda: runtime.preview_revert(thread, 0),
        "wait_until_projected": lambda: runtime.wait_until_projected(3),
        "read_events": lambda: runtime.read_events(0),
        "replay_events": lambda: anext(runtime.replay_events(0)),
        "rebuild": runtime.rebuild,
    }
    for name, call in calls.items():
        with pytest.raises(OrchestrionError) as refusal:
            await call()
        assert (name, type(refusal.value)) == (name, RuntimeStopped)
    with pytest.raises(RuntimeStopped):
        runtime.submit_nowait(make.project_create("p9"))
    answer = await runtime.handle("orchestration.dispatchCommand", command_json(make.project_create("p9")))
    assert answer["error"]["code"] == "RuntimeStopped"


async def test_waiting_for_an_unknown_projector_is_refused_before_writing(path: Path) -> None:
    async with open_runtime(path) as runtime:
        with pytest.raises(InvalidRequest, match="no such projector: nobody"):
            await runtime.dispatch(make.project_create(), wait_for=["nobody"])
        assert runtime.health().head == 0
        result = await runtime.dispatch(make.project_create(), wait_for=["projection.projects"])
        position = {one.name: one.position for one in runtime.health().projectors}["projection.projects"]
        assert position == result.sequence == 1


async def test_health_has_positions_lag_and_depths(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await fill(runtime, 5)
        await runtime.wait_until_projected(5)
        async with runtime.subscribe(5):
            health = runtime.health()
        assert (health.status, health.failure, health.head) == ("running", None, 5)
        assert (health.mailbox_depth, health.lane_depth, health.quarantined) == (0, 0, 0)
        assert health.followers == len(PROJECTIONS) + 1
        assert {(one.status, one.position, one.lag, one.fault) for one in health.projectors} == {("live", 5, 0, None)}
        assert sorted(one.name for one in health.projectors) == NAMES
        assert health.restarts == {}
