"""Projections rebuilt while the runtime serves: rows swap at once, halted projectors continue, and nobody waits.

One long module: its tests share the gates that hold a rebuild at one moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import peewee
import pytest
from anyio.to_thread import run_sync

from orchestrion import (
    InvalidRequest,
    ProjectionStalled,
    Runtime,
    RuntimeOptions,
    RuntimeStopped,
    StoreError,
    open_runtime,
    to_json,
)
from orchestrion.actors.detached_task import DetachedTask
from orchestrion.actors.projecting import projector as projector_module
from orchestrion.actors.projecting import rebuilder as rebuilder_module
from orchestrion.contracts.events import LoggedEvent, PersistedEvent
from orchestrion.persistence import database as database_module
from orchestrion.persistence import rebuild as rebuild_module
from orchestrion.persistence.bootstrap import ReplayProgress
from orchestrion.persistence.failures import CommitOutcomeUnknown
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.projections.projects import ProjectsProjection
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.core import run_sql, write_log
from tests.support.random_commands import random_log
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

LOG = random_log(61, 600)
PROJECTS = "projection.projects"
THREADS = "projection.threads"
NAMES = [one.name for one in PROJECTIONS]
TAMPERED = "tampered with"
TITLES = "SELECT title FROM projection_projects"
SOON = 120.0
STOPS_LATE = RuntimeOptions(shutdown_deadline=2 * SOON)
"""A stop that is held up reaches its deadline after this many seconds."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def tamper(path: Path) -> None:
    await run_sql(path, "UPDATE projection_projects SET title = ?", TAMPERED)
    await run_sql(path, "UPDATE projection_threads SET title = ?", TAMPERED)
    await run_sql(path, "DELETE FROM projection_thread_messages WHERE rowid % 3 = 0")


async def titles(path: Path) -> set[str]:
    return {row[0] for row in await run_sql(path, TITLES)}


async def log_of(runtime: Runtime) -> list[LoggedEvent]:
    return [event async for event in runtime.replay_events(0)]


async def assert_whole(runtime: Runtime, path: Path) -> None:
    """Assert that the served rows and the file are the fold of the log. `write_log` gives no receipts."""
    await runtime.wait_until_projected(runtime.health().head)
    snapshot = to_json(await runtime.get_snapshot())
    log = await log_of(runtime)
    assert snapshot == snapshot_json([event for event in log if isinstance(event, PersistedEvent)])
    report = await run_sync(verify_database, path)
    assert [finding for finding in report.findings if finding.check != "receipts"] == []
    assert report.left_out == ()


def status_of(runtime: Runtime, name: str) -> str:
    return next(one.status for one in runtime.health().projectors if one.name == name)


def scratch_files(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir() if ".rebuild" in one.name]


class Gate:
    """Holds what a rebuild does on a thread, by default its swap of rows, until it is opened."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, module: ModuleType = rebuild_module, function: str = "_swap"
    ) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        let_through: Callable[..., Any] = getattr(module, function)

        def held(*given: Any, **named: Any) -> Any:
            self.reached.set()
            assert self.opened.wait(SOON)
            return let_through(*given, **named)

        monkeypatch.setattr(module, function, held)

    async def wait_until_reached(self) -> None:
        assert await run_sync(self.reached.wait, SOON)

    def open_when_cancelled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Release the thread as soon as the caller's cancellation has reached the rebuild."""
        cancel = DetachedTask.cancel

        def cancelled(rebuilding: DetachedTask[Any]) -> None:
            cancel(rebuilding)
            self.opened.set()

        monkeypatch.setattr(DetachedTask, "cancel", cancelled)

    async def open_when_stopped(self, runtime: Runtime) -> None:
        """Release the thread as soon as the runtime takes no more commands."""
        while not runtime._log.has_ended:
            await anyio.lowlevel.checkpoint()
        self.opened.set()


class Defect:
    """A defect of the projection of projects: it fails at every event until it is repaired."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_repaired = False
        apply: Callable[..., None] = ProjectsProjection.apply

        def faulty(
            projection: ProjectsProjection, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]
        ) -> None:
            if not self.is_repaired:
                raise ValueError("a defect")
            apply(projection, database, events)

        monkeypatch.setattr(ProjectsProjection, "apply", faulty)


async def halted(runtime: Runtime) -> None:
    """Dispatch until the projection of projects has halted."""
    done = await runtime.dispatch(make.project_create("at fault"))
    with pytest.raises(ProjectionStalled, match="a defect"):
        await runtime.wait_until_projected(done.sequence)
    assert status_of(runtime, PROJECTS) == "halted"


@pytest.mark.parametrize("interval", [1, 20])
async def test_tampered_rows_are_rebuilt_while_commands_and_reads_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, interval: int
) -> None:
    monkeypatch.setattr(rebuilder_module, "PAGE_EVENTS", 40)
    monkeypatch.setattr(rebuilder_module, "LAST_EVENTS", interval)
    await write_log(path, LOG)
    seen: list[int] = []
    snapshots: list[int] = []
    rebuilt = anyio.Event()
    async with open_runtime(path) as runtime:
        await tamper(path)

        async def dispatch() -> None:
            number = 0
            while not (rebuilt.is_set() and number >= 60):
                number += 1
                await runtime.dispatch(make.project_create(f"new-{number}"))

        async def read() -> None:
            while not rebuilt.is_set():
                snapshots.append((await runtime.get_snapshot(detail="summary")).snapshot_sequence)

        async def follow(scope: anyio.CancelScope) -> None:
            with scope:
                async with runtime.subscribe(len(LOG)) as events:
                    while True:
                        seen.append((await anext(events)).sequence)

        progress: list[ReplayProgress] = []
        following = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, following)
            async with anyio.create_task_group() as loads:
                loads.start_soon(dispatch)
                loads.start_soon(read)
                for _ in range(3):
                    await runtime.rebuild(progress=progress.append)
                rebuilt.set()
            head = runtime.health().head
            with anyio.fail_after(SOON):
                while not seen or seen[-1] < head:
                    await anyio.lowlevel.checkpoint()
            following.cancel()
        assert seen == list(range(len(LOG) + 1, head + 1))
        assert snapshots == sorted(snapshots)
        assert progress[0].applied == 40
        assert all(one.applied <= one.head for one in progress)
        assert {one.status for one in runtime.health().projectors} == {"live"}
        await assert_whole(runtime, path)
    assert scratch_files(path) == []
    assert set(await run_sql(path, "SELECT last_applied_sequence FROM projection_state")) == {(head,)}


async def test_one_projector_is_rebuilt_alone(path: Path) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        await tamper(path)
        await runtime.rebuild([THREADS])
        assert await titles(path) == {TAMPERED}
        assert TAMPERED not in {row[0] for row in await run_sql(path, "SELECT title FROM projection_threads")}
        await runtime.rebuild([PROJECTS, "projection.thread-messages"])
        await assert_whole(runtime, path)


async def test_an_empty_log_is_rebuilt(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await runtime.rebuild()
        await runtime.dispatch(make.project_create())
        await assert_whole(runtime, path)


async def test_a_name_that_is_no_projectors_is_refused(path: Path) -> None:
    async with open_runtime(path) as runtime:
        with pytest.raises(InvalidRequest, match="no such projector: nobody"):
            await runtime.rebuild([PROJECTS, "nobody"])
    assert scratch_files(path) == []


async def test_a_halted_projector_comes_back_once_its_defect_is_repaired(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        defect = Defect(monkeypatch)
        await halted(runtime)
        for number in range(300):  # more batches than a follower buffers
            await runtime.dispatch(make.project_create(f"p-{number}"))
        with pytest.raises(ProjectionStalled, match="a defect"):
            await runtime.rebuild()
        assert status_of(runtime, PROJECTS) == "halted"
        with pytest.raises(ProjectionStalled, match="a defect"):
            await runtime.get_snapshot()
        defect.is_repaired = True
        await runtime.rebuild([PROJECTS])
        health = next(one for one in runtime.health().projectors if one.name == PROJECTS)
        assert (health.status, health.fault) == ("live", None)
        await assert_whole(runtime, path)
        await runtime.dispatch(make.project_create("afterwards"), wait_for=NAMES)
        await assert_whole(runtime, path)


async def test_a_position_that_went_missing_is_put_back(path: Path) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        await run_sql(path, "DELETE FROM projection_state WHERE projector = ?", PROJECTS)
        done = await runtime.dispatch(make.project_create("p"))
        with pytest.raises(ProjectionStalled, match="its position is missing"):
            await runtime.wait_until_projected(done.sequence)
        await runtime.rebuild([PROJECTS])
        await assert_whole(runtime, path)


async def test_a_halted_projector_does_not_hold_up_a_clean_stop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Defect(monkeypatch)
    with anyio.fail_after(SOON):
        async with open_runtime(path, options=STOPS_LATE) as runtime:
            await halted(runtime)
    with pytest.raises(RuntimeStopped):
        await runtime.rebuild()


@pytest.mark.parametrize("page", [40, 10_000])
async def test_a_rebuild_cancelled_in_its_replay_leaves_the_old_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(rebuilder_module, "PAGE_EVENTS", page)
    await write_log(path, LOG)
    gate = Gate(monkeypatch, rebuilder_module, "replay_to_head")
    gate.open_when_cancelled(monkeypatch)
    async with open_runtime(path) as runtime:
        await tamper(path)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.rebuild)
            await gate.wait_until_reached()
            tasks.cancel_scope.cancel()
        assert await titles(path) == {TAMPERED}
        assert scratch_files(path) == []
        await runtime.rebuild()
        await assert_whole(runtime, path)


async def test_a_rebuild_cancelled_in_a_swap_waits_for_it_and_swaps_no_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    gate = Gate(monkeypatch)
    gate.open_when_cancelled(monkeypatch)
    async with open_runtime(path) as runtime:
        await tamper(path)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.rebuild)
            await gate.wait_until_reached()
            tasks.cancel_scope.cancel()
        assert TAMPERED not in await titles(path)
        assert {row[0] for row in await run_sql(path, "SELECT title FROM projection_threads")} == {TAMPERED}
        assert scratch_files(path) == []
        await runtime.rebuild()
        await assert_whole(runtime, path)


async def test_a_snapshot_that_is_asked_for_in_a_swap_is_answered_after_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    gate = Gate(monkeypatch)
    found: list[Any] = []
    async with open_runtime(path) as runtime:
        await tamper(path)

        async def read() -> None:
            found.append(to_json(await runtime.get_snapshot()))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.rebuild, [PROJECTS, THREADS, "projection.thread-messages"])
            await gate.wait_until_reached()
            tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            gate.opened.set()
        assert found[0]["snapshotSequence"] == len(LOG)
        await assert_whole(runtime, path)


async def test_a_second_rebuild_waits_for_the_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await write_log(path, LOG)
    gate = Gate(monkeypatch)
    ended: list[str] = []
    async with open_runtime(path) as runtime:
        await tamper(path)

        async def rebuild(name: str) -> None:
            await runtime.rebuild(progress=lambda _: ended.append(f"{name} replays"))
            ended.append(f"{name} ended")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rebuild, "first")
            await gate.wait_until_reached()
            tasks.start_soon(rebuild, "second")
            await anyio.lowlevel.checkpoint()
            gate.opened.set()
        assert ended == ["first replays", "first ended", "second replays", "second ended"]
        await assert_whole(runtime, path)


@pytest.mark.parametrize("took_place", [True, False])
async def test_a_commit_of_unknown_outcome_applies_no_event_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch, took_place: bool
) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        monkeypatch.setattr(projector_module, "IDLE_SECONDS", 3600)
        await runtime.dispatch(make.project_create("before"))
        failing = True

        def write_transaction(database: peewee.SqliteDatabase, **named: Any) -> Any:
            transaction = database_module.write_transaction(database, **named)
            return FailingCommit(transaction, took_place) if failing else transaction

        monkeypatch.setattr(rebuild_module, "write_transaction", write_transaction)
        with pytest.raises(StoreError, match="injected"):
            await runtime.rebuild()
        failing = False
        await runtime.dispatch(make.project_create("later"))
        await assert_whole(runtime, path)
        await runtime.rebuild()
        await assert_whole(runtime, path)


class FailingCommit:
    """A transaction whose COMMIT reports an error, whether or not it took effect."""

    def __init__(self, transaction: Any, took_place: bool) -> None:
        self._transaction = transaction
        self._took_place = took_place

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self._took_place:
            self._transaction.__exit__(kind, error, trace)
        else:
            unknown = CommitOutcomeUnknown("injected")
            self._transaction.__exit__(CommitOutcomeUnknown, unknown, None)
        raise CommitOutcomeUnknown("injected")


async def test_a_swap_that_fails_leaves_rows_and_projector_as_they_were(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        await tamper(path)
        with monkeypatch.context() as patch:

            def swap(*_: object) -> None:
                raise peewee.OperationalError("disk I/O error")

            patch.setattr(rebuild_module, "_swap", swap)
            with pytest.raises(StoreError, match="disk I/O error"):
                await runtime.rebuild()
        assert await titles(path) == {TAMPERED}
        await runtime.dispatch(make.project_create("later"), wait_for=NAMES)
        assert {one.status for one in runtime.health().projectors} == {"live"}
        await runtime.rebuild()
        await assert_whole(runtime, path)


async def test_a_clean_stop_during_a_replay_ends_the_rebuild(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilder_module, "PAGE_EVENTS", 40)
    await write_log(path, LOG)
    gate = Gate(monkeypatch, rebuilder_module, "replay_to_head")
    await stop_during_a_rebuild(path, gate)
    assert await titles(path) == {TAMPERED}
    assert scratch_files(path) == []


async def test_a_clean_stop_during_a_swap_finishes_it_and_swaps_no_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_log(path, LOG)
    await stop_during_a_rebuild(path, Gate(monkeypatch))
    assert TAMPERED not in await titles(path)
    assert scratch_files(path) == []


async def stop_during_a_rebuild(path: Path, gate: Gate) -> None:
    """Stop cleanly as soon as the rebuild has reached the gate, which opens once the stop has begun."""

    async def rebuild(runtime: Runtime) -> None:
        with pytest.raises(RuntimeStopped):
            await runtime.rebuild()

    with anyio.fail_after(SOON):
        async with anyio.create_task_group() as tasks, open_runtime(path, options=STOPS_LATE) as runtime:
            await tamper(path)
            tasks.start_soon(rebuild, runtime)
            await gate.wait_until_reached()
            tasks.start_soon(gate.open_when_stopped, runtime)
