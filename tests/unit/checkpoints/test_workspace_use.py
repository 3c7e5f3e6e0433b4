"""Which threads work in which workspace: turns run in parallel, reverts run alone."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from orchestrion.actors.checkpoints.workspace_use import WorkspaceBusy, WorkspaceUse
from orchestrion.contracts.ids import ThreadId, TurnId

pytestmark = pytest.mark.anyio

A, B, C = ThreadId("a"), ThreadId("b"), ThreadId("c")
T1, T2, T3 = TurnId("t1"), TurnId("t2"), TurnId("t3")


async def settled() -> None:
    """Wait until every task waits for something other than a worker thread."""
    for _ in range(3):
        await anyio.to_thread.run_sync(lambda: None)
        await anyio.wait_all_tasks_blocked()


async def test_turns_that_overlap_in_time_and_place_have_met(tmp_path: Path) -> None:
    use = WorkspaceUse()
    await use.begin_turn(A, T1, tmp_path)
    await use.begin_turn(B, T2, tmp_path / "below")
    await use.begin_turn(C, T3, tmp_path.parent / "elsewhere")
    assert [set(use.met(one)) for one in (T1, T2, T3)] == [{B}, {A}, set()]
    assert use.end_turn(T2) == {A}
    await use.begin_turn(B, T2, tmp_path.parent / "third")
    assert [set(one) for one in (use.met(T2), use.end_turn(T1))] == [set(), {B}]
    assert use.end_turn(T1) == frozenset()


async def test_a_link_leads_to_the_same_workspace(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    use = WorkspaceUse()
    await use.begin_turn(A, T1, tmp_path / "real")
    await use.begin_turn(B, T2, tmp_path / "link")
    assert use.met(T1) == {B}


async def test_a_revert_is_refused_where_another_threads_turn_is_at_work(tmp_path: Path) -> None:
    use = WorkspaceUse()
    await use.begin_turn(A, T1, tmp_path)
    with pytest.raises(WorkspaceBusy, match="'a'") as busy:
        async with use.revert(B, tmp_path / "below", waits=False):
            raise AssertionError("it is held")
    assert busy.value.thread_ids == {A}
    async with use.revert(A, tmp_path, waits=False), use.revert(B, tmp_path.parent / "other", waits=False):
        pass
    use.end_turn(T1)
    async with use.revert(B, tmp_path, waits=False):
        pass


async def test_no_turn_begins_where_a_revert_is_and_reverts_take_turns(tmp_path: Path) -> None:
    use = WorkspaceUse()
    entered: list[str] = []

    async def begin() -> None:
        await use.begin_turn(A, T1, tmp_path)
        entered.append("turn")
        use.end_turn(T1)

    async def revert(*, task_status: TaskStatus[None]) -> None:
        task_status.started()
        async with use.revert(B, tmp_path, waits=False):
            entered.append("second revert")

    async with anyio.create_task_group() as tasks, use.revert(C, tmp_path, waits=False):
        tasks.start_soon(begin)
        await tasks.start(revert)
        await settled()
        assert entered == []
    assert sorted(entered) == ["second revert", "turn"]


async def test_a_revert_that_was_begun_before_waits_for_turns(tmp_path: Path) -> None:
    use = WorkspaceUse()
    await use.begin_turn(A, T1, tmp_path)
    held = anyio.Event()

    async def revert() -> None:
        async with use.revert(B, tmp_path, waits=True):
            held.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(revert)
        await settled()
        assert not held.is_set()
        use.end_turn(T1)
    assert held.is_set()


@pytest.mark.lesson("L122")
async def test_turn_that_does_not_run_leaves_its_threads_other_turn_at_work(tmp_path: Path) -> None:
    use = WorkspaceUse()
    await use.begin_turn(A, T1, tmp_path)
    await use.begin_turn(A, T2, tmp_path)
    use.end_turn(T1)
    with pytest.raises(WorkspaceBusy):
        async with use.revert(B, tmp_path, waits=False):
            raise AssertionError("it is held")
    assert use.end_turn(T2) == frozenset()
    async with use.revert(B, tmp_path, waits=False):
        pass
