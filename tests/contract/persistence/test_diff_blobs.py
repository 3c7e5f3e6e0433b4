"""Turn diffs: one per range; storing a capture again replaces its diff; what a host gets for a range."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion import InvalidRequest, RuntimeOptions, StoreError, ThreadId, TurnDiff, TurnDiffNotFound, open_runtime
from orchestrion.contracts.read_model import TurnDiffRequest
from orchestrion.contracts.values import Count
from orchestrion.persistence.database import prepare
from orchestrion.persistence.diff_blobs import DiffBlobRow, find_diff, put_diff
from tests.support import builders as make
from tests.support.builders import at
from tests.support.core import open_core, run_sql

pytestmark = pytest.mark.anyio

T1 = ThreadId("t1")


def request(start: int, end: int, thread_id: ThreadId = T1) -> TurnDiffRequest:
    return TurnDiffRequest(thread_id=thread_id, from_turn_count=start, to_turn_count=end)


@pytest.mark.spec("W3", "R13")
def test_a_diff_is_found_by_its_thread_and_range_alone(tmp_path: Path) -> None:
    database = prepare(tmp_path / "state.db", at(0))
    try:
        put_diff(database, DiffBlobRow(T1, 0, 1, "first", at(0)))
        put_diff(database, DiffBlobRow(T1, 0, 2, "both", at(0)))
        put_diff(database, DiffBlobRow("t2", 0, 1, "another's", at(0)))
        assert find_diff(database, request(0, 1)) == "first"
        assert find_diff(database, request(0, 2)) == "both"
        assert find_diff(database, request(0, 1, ThreadId("t2"))) == "another's"
        assert find_diff(database, request(1, 2)) is None
    finally:
        database.close()


@pytest.mark.spec("W3")
def test_the_same_capture_again_leaves_one_row(tmp_path: Path) -> None:
    database = prepare(tmp_path / "state.db", at(0))
    try:
        put_diff(database, DiffBlobRow(T1, 0, 1, "first", at(0)))
        put_diff(database, DiffBlobRow(T1, 0, 1, "again\0\N{MUSICAL SCORE}", at(1)))
        rows = database.execute_sql("SELECT * FROM checkpoint_diff_blobs").fetchall()
        assert rows == [(T1, 0, 1, "again\0\N{MUSICAL SCORE}", at(1))]
    finally:
        database.close()


@pytest.mark.spec("R13", "R14")
async def test_a_diff_is_given_or_an_error_names_the_range(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with open_runtime(path, options=RuntimeOptions()):
        pass
    await run_sql(path, "INSERT INTO checkpoint_diff_blobs VALUES (?, 0, 1, 'the diff', ?)", T1, at(0))
    async with open_runtime(path) as runtime:
        assert await runtime.get_turn_diff(T1, 0, 1) == TurnDiff(
            thread_id=T1, from_turn_count=Count(0), to_turn_count=Count(1), diff="the diff"
        )
        assert (await runtime.get_turn_diff(T1, 3, 3)).diff == ""
        with pytest.raises(TurnDiffNotFound, match="'t1' has no diff from turn 1 to 2") as missing:
            await runtime.get_turn_diff(T1, 1, 2)
        assert (missing.value.thread_id, missing.value.from_turn_count, missing.value.to_turn_count) == (T1, 1, 2)
        for start, end in ((1, 0), (-1, 0), (-2, -1)):
            with pytest.raises(InvalidRequest, match=f"found {start} with toTurnCount {end}"):
                await runtime.get_turn_diff(T1, start, end)


@pytest.mark.lesson("L19")
async def test_diffs_of_removed_turns_are_deleted_with_the_revert_event(tmp_path: Path) -> None:
    kept = "SELECT thread_id, from_turn_count, to_turn_count FROM checkpoint_diff_blobs ORDER BY 1, 2, 3"
    async with open_core(tmp_path / "state.db") as core:
        await core.dispatch(make.project_create())
        await core.dispatch(make.thread_create())
        for number in (1, 2, 3):
            await core.dispatch(make.session_set("running", active_turn_id=f"turn-{number}"))
            await core.dispatch(make.session_set("ready"))
        rows = [("t1", 0, 1), ("t1", 0, 2), ("t1", 0, 3), ("t1", 1, 2), ("t1", 2, 3), ("t2", 0, 9)]
        for row in rows:
            await core.sql(f"INSERT INTO checkpoint_diff_blobs VALUES ('{row[0]}', {row[1]}, {row[2]}, 'd', '{at(0)}')")
        await core.sql(
            "CREATE TRIGGER injected BEFORE INSERT ON orchestration_command_receipts WHEN NEW.command_id = 'revert'"
            " BEGIN SELECT RAISE(ABORT, 'injected'); END"
        )
        with pytest.raises(StoreError):
            await core.dispatch(make.revert_complete(turn_count=1, command_id="revert"))
        assert await core.sql(kept) == rows
        await core.sql("DROP TRIGGER injected")
        await core.dispatch(make.revert_complete(turn_count=1, command_id="revert"))
        assert await core.sql(kept) == [("t1", 0, 1), ("t2", 0, 9)]
