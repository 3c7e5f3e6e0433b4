"""The snapshot: its shape and order, that it is one cut of the log under load, and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrion import (
    EPOCH,
    UNSET,
    CommandRejected,
    NotFound,
    PersistedEvent,
    ProjectionStalled,
    Runtime,
    Snapshot,
    ThreadId,
    open_runtime,
    to_json,
)
from orchestrion.contracts.commands import Command
from orchestrion.contracts.read_model import SnapshotRequest
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.snapshot import read_cut, read_snapshot
from tests.support import builders as make
from tests.support.core import ScriptedMint, envelopes_of, open_core, run_sql, write_log
from tests.support.random_commands import random_log, random_run
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

LOG = random_log(31, 900)
DELETED = next(event.stream_id for event in LOG if event.event_type == "thread.deleted")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def snapshot_of(path: Path, **asked: Any) -> dict[str, Any]:
    async with open_runtime(path) as runtime:
        found: dict[str, Any] = to_json(await runtime.get_snapshot(**asked))
        return found


@pytest.mark.spec("R2", "R7", "R11")
async def test_an_empty_log_gives_an_empty_snapshot_at_zero_dated_by_the_epoch(path: Path) -> None:
    assert await snapshot_of(path) == {"snapshotSequence": 0, "projects": [], "threads": [], "updatedAt": EPOCH}


@pytest.mark.spec("R2", "R3", "R5", "R6", "R7", "R11", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12")
async def test_a_snapshot_is_the_fold_of_the_log_in_every_field_and_order(path: Path) -> None:
    await write_log(path, LOG)
    expected = snapshot_json(LOG)
    assert await snapshot_of(path) == expected
    full = [thread for thread in expected["threads"] if thread["messages"] and thread["checkpoints"]]
    assert full
    assert any(thread["activities"] for thread in full)
    assert any(thread["deletedAt"] for thread in expected["threads"])


@pytest.mark.spec("R4")
async def test_a_summary_omits_only_messages_activities_and_checkpoints(path: Path) -> None:
    await write_log(path, LOG)
    assert await snapshot_of(path, detail="summary") == snapshot_json(LOG, detail="summary")


@pytest.mark.spec("R5", "R12")
async def test_one_thread_comes_with_its_project_deleted_or_not(path: Path) -> None:
    await write_log(path, LOG)
    whole = snapshot_json(LOG)
    async with open_runtime(path) as runtime:
        for thread in whole["threads"]:
            alone = to_json(await runtime.get_snapshot(thread_id=ThreadId(thread["id"])))
            assert alone == {
                **whole,
                "threads": [thread],
                "projects": [one for one in whole["projects"] if one["id"] == thread["projectId"]],
            }
        with pytest.raises(NotFound, match="'nobody'"):
            await runtime.get_snapshot(thread_id=ThreadId("nobody"))
    assert DELETED in {thread["id"] for thread in whole["threads"]}


@pytest.mark.spec("R6")
async def test_entities_of_one_instant_are_ordered_by_id(path: Path) -> None:
    async with open_runtime(path) as runtime:
        for project_id in ("b", "c", "a"):
            await runtime.dispatch(make.project_create(project_id))
        await runtime.dispatch(make.project_create("older", created_at=make.at(-5)))
        snapshot = await runtime.get_snapshot()
        assert [project.id for project in snapshot.projects] == ["older", "a", "b", "c"]


@pytest.mark.spec("R9", "R10")
async def test_under_load_every_snapshot_is_the_fold_of_a_prefix_of_the_log(path: Path) -> None:
    run = random_run(41, 700)
    mint, envelopes = ScriptedMint(run), envelopes_of(run)
    found: list[Snapshot] = []
    async with open_core(path, mint=mint) as core:
        mint.begin()

        async def write() -> None:
            for start in range(0, len(envelopes), 5):
                for one in [await core.dispatcher.submit(one) for one in envelopes[start : start + 5]]:
                    with anyio.CancelScope():
                        try:
                            await one.result()
                        except Exception as error:
                            assert type(error).__name__ == "CommandRejected"  # noqa: PT017  # a run has rejections
            core.dispatcher.close()

        async def read() -> None:
            while not found or found[-1].snapshot_sequence < len(run.log):
                head = core.log.head
                async with core.projectors.cut(read_cut) as (pinned, _):
                    snapshot = await pinned.run(lambda database: read_snapshot(database, SnapshotRequest()))
                found.append(snapshot)
                assert snapshot.snapshot_sequence >= head

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            for _ in range(3):
                tasks.start_soon(read)
    cuts = {snapshot.snapshot_sequence for snapshot in found}
    assert len(cuts) > 10
    for snapshot in found:
        assert to_json(snapshot) == snapshot_json(run.log[: snapshot.snapshot_sequence])


@pytest.mark.spec("R7")
async def test_positions_of_reactors_do_not_count(path: Path) -> None:
    await write_log(path, LOG[:30])
    async with open_runtime(path):
        pass
    await run_sql(path, "INSERT INTO projection_state VALUES ('reactor.somebody', 3, ?)", EPOCH)
    assert (await snapshot_of(path))["snapshotSequence"] == 30


@pytest.mark.spec("R8")
@pytest.mark.lesson("L8")
@pytest.mark.parametrize("name", [one.name for one in PROJECTIONS])
async def test_a_missing_position_is_an_error_that_names_the_projector(path: Path, name: str) -> None:
    async with open_core(path) as core:
        await core.dispatch(make.project_create())
        await core.projected()
        async with core.projectors.cut(read_cut):
            pass
        await core.sql("DELETE FROM projection_state WHERE projector = ?", name)
        with pytest.raises(ProjectionStalled) as stalled:
            async with core.projectors.cut(read_cut):
                pass
        assert (stalled.value.projector, stalled.value.position) == (name, None)
    with pytest.raises(
        ProjectionStalled, match=f"^{name}: its position is missing; run: orchestrion rebuild DB --projector {name}$"
    ):
        await snapshot_of(path)


@pytest.mark.spec("R10")
async def test_only_waiting_turns_are_read_from_the_log(path: Path) -> None:
    """The number of statements is the same for any number of threads."""
    await write_log(path, LOG)
    async with open_core(path) as core:
        await core.projected()
        async with core.projectors.cut(read_cut) as (pinned, _):
            statements: list[str] = []

            def read(database: Any) -> Snapshot:
                connection = database.connection()
                connection.set_trace_callback(statements.append)
                try:
                    return read_snapshot(database, SnapshotRequest(thread_id=UNSET))
                finally:
                    connection.set_trace_callback(None)

            await pinned.run(read)
        assert len(statements) > len(PROJECTIONS)
        of_log = [text for text in statements if "FROM projection_" not in text]
        of_log = [text for text in of_log if "FROM orchestrion_migrations" not in text]
        starts, orders = of_log
        assert "INDEXED BY orchestration_events_intents" in starts
        assert "INDEXED BY orchestration_events_queue_orders" in orders


async def _halt_messages(runtime: Runtime) -> None:
    """Three commands; the messages' projector cannot apply the last one."""
    await runtime.dispatch(make.project_create())
    await runtime.dispatch(make.thread_create())
    await runtime.get_snapshot()
    await runtime.dispatch(make.turn_start())


async def test_a_halted_projector_fails_snapshots_unless_stale_ones_are_allowed(path: Path) -> None:
    async with open_runtime(path):
        pass
    await run_sql(
        path,
        "CREATE TRIGGER injected BEFORE INSERT ON projection_thread_messages"
        " BEGIN SELECT RAISE(ABORT, 'injected'); END",
    )
    async with open_runtime(path) as runtime:
        await _halt_messages(runtime)
        with pytest.raises(ProjectionStalled, match=r"projection\.thread-messages is at 2"):
            await runtime.get_snapshot()
        others = [one.name for one in PROJECTIONS if one.name != "projection.thread-messages"]
        await runtime.dispatch(make.project_create("p2"), wait_for=others)
        stale = await runtime.get_snapshot(allow_stalled=True)
        assert stale.snapshot_sequence == 2
        assert [project.id for project in stale.projects] == ["p1", "p2"]
        assert stale.threads[0].messages == ()
        behind = {one.name: one.position for one in runtime.health().projectors if one.status != "live"}
        assert behind == {"projection.thread-messages": 2}
        assert all(isinstance(event, PersistedEvent) for event in [one async for one in runtime.replay_events(2)])


@pytest.mark.lesson("L48")
@pytest.mark.spec("R3")
async def test_pending_approval_shows_the_request_and_its_options(path: Path) -> None:
    options = ({"id": "once", "name": "Allow", "kind": "allow_once"}, {"id": "no", "name": "No", "kind": "reject_once"})
    log: list[Command] = [
        make.project_create(),
        make.thread_create(),
        make.session_set("running", active_turn_id="turn-1"),
        make.approval_requested("r1", turn_id="turn-1", options=options),
        make.approval_requested("r2", turn_id="turn-1"),
    ]
    async with open_core(path) as core:
        for command in log:
            await core.dispatch(command)
    for detail in ("full", "summary"):
        (thread,) = (await snapshot_of(path, detail=detail))["threads"]
        offered, plain = thread["pendingApprovals"]
        assert (offered["requestId"], offered["kind"], offered["options"]) == ("r1", "command", list(options))
        assert (plain["requestId"], plain["kind"], plain["options"]) == ("r2", "command", [])
        assert offered["summary"] == make.approval_requested().activity.summary


@pytest.mark.spec("E120", "R3")
async def test_a_pending_form_has_its_questions(path: Path) -> None:
    questions = (make.question(), make.question("q2", secret=True, options=[], schema={"type": "string"}))
    async with open_core(path) as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        await core.dispatch(make.session_set("running", active_turn_id="turn-1"))
        await core.dispatch(make.question_requested(*questions, request_id="r1", turn_id="turn-1"))
        await core.dispatch(make.approval_requested("r2", turn_id="turn-1", editable=True))
        (thread,) = (await snapshot_of(path))["threads"]
        form, approval = thread["pendingApprovals"]
        assert (form["requestId"], form["kind"], form["turnId"]) == ("r1", "question", "turn-1")
        assert (form["questions"], form["options"], form["editable"]) == (list(questions), [], False)
        assert (approval["questions"], approval["editable"]) == ([], True)
    async with open_core(path) as core:
        with pytest.raises(CommandRejected, match="'q1'"):
            await core.dispatch(make.approval_respond(answers={"q1": "green", "q2": "x"}))
        await core.dispatch(make.approval_respond(answers={"q1": "red", "q2": "x"}))


@pytest.mark.lesson("L48")
async def test_options_are_checked_for_a_thread_that_was_loaded_again(path: Path) -> None:
    options = ({"id": "once", "name": "Allow", "kind": "allow_once"},)
    async with open_core(path) as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        await core.dispatch(make.session_set("running", active_turn_id="turn-1"))
        await core.dispatch(make.approval_requested("r1", turn_id="turn-1", options=options))
    async with open_core(path) as core:
        with pytest.raises(CommandRejected, match=r"'twice'.*'once'"):
            await core.dispatch(make.approval_respond("t1", "r1", option_id="twice"))
        await core.dispatch(make.approval_respond("t1", "r1", option_id="once"))
