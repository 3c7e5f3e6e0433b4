"""Captures that take long run in parallel to the session, are reported, and end at their budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.captures_under_way import CaptureBudget
from orchestrion.contracts.events import ThreadTurnDiffCompleted
from orchestrion.runtime.options import RuntimeOptions
from tests.support.git import Repository
from tests.support.held_git import HeldGit
from tests.support.stage import Stage, activity, error_of, payload, session_of, stage

pytestmark = pytest.mark.anyio

SOON_OVER = 0.3
"""Seconds: a budget that a held git is sure to exceed."""


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeldGit:
    Repository.init(tmp_path / "workspace")
    Repository.init(tmp_path / "elsewhere")
    return HeldGit(tmp_path / "bin", tmp_path / "workspace", monkeypatch)


async def status_of_turn_1(it: Stage) -> str:
    completed = await it.until(payload(ThreadTurnDiffCompleted))
    assert isinstance(completed.payload, ThreadTurnDiffCompleted)
    assert completed.payload.checkpoint_turn_count == 1
    return completed.payload.status


@pytest.mark.lesson("L27")
async def test_l27_capture_runs_in_parallel_and_reports_its_progress(tmp_path: Path, git: HeldGit) -> None:
    async with stage(tmp_path) as it:
        await it.open_thread("t2", worktree_path=str(tmp_path / "elsewhere"))
        assert it.runtime.health().captures == ()
        turn = await it.ask("touch made\nwait-for go")
        opened = await it.claimed(turn)
        git.hold()
        await it.let_go("go")
        await git.reached()
        assert session_of(await it.ended(turn)).status == "ready"
        (capture,) = it.runtime.health().captures
        assert (capture.thread_id, capture.turn_id, capture.turn_count) == ("t1", turn.turn_id, 1)
        assert (capture.of, capture.step, capture.seconds >= 0) == ("end", "recording", True)
        assert session_of(await it.perform("say meanwhile", thread_id="t2")).status == "ready"
        waiting = await it.ask("touch more")
        await git.let_go()
        assert session_of(await it.ended(waiting)).status == "ready"
        assert await status_of_turn_1(it) == "ready"
        completed = await it.until(payload(ThreadTurnDiffCompleted), after=opened.sequence)
        assert (await it.claimed(waiting)).sequence > completed.sequence
    async with stage(tmp_path) as it:
        assert it.runtime.health().captures == ()


@pytest.mark.lesson("L27")
async def test_l27_an_end_capture_over_budget_is_an_error_of_the_capture_only(tmp_path: Path, git: HeldGit) -> None:
    async with stage(tmp_path, options=RuntimeOptions(captures=CaptureBudget(end=SOON_OVER))) as it:
        turn = await it.ask("touch made\nwait-for go")
        await it.claimed(turn)
        git.hold()
        await it.let_go("go")
        assert session_of(await it.ended(turn)).status == "ready"
        failed = await it.until(activity("checkpoint.capture.failed"))
        assert "The end of turn 1 could not be captured" in str(failed.payload)
        assert "did not finish within 0.3 s" in error_of(failed)
        assert await status_of_turn_1(it) == "error"
        git.release_new()
        assert session_of(await it.perform("say again")).status == "ready"


@pytest.mark.lesson("L27")
async def test_l27_a_start_capture_over_budget_does_not_stop_the_turn(tmp_path: Path, git: HeldGit) -> None:
    async with stage(tmp_path, options=RuntimeOptions(captures=CaptureBudget(start=SOON_OVER))) as it:
        git.hold()
        turn = await it.ask("touch made\nwait-for go")
        failed = await it.until(activity("checkpoint.capture.failed"))
        assert "The start of turn 1 could not be captured" in str(failed.payload)
        await it.claimed(turn)
        git.release_new()
        await it.let_go("go")
        assert session_of(await it.ended(turn)).status == "ready"
        assert await status_of_turn_1(it) == "error"


@pytest.mark.lesson("L27")
async def test_l27_a_stop_does_not_wait_for_a_capture_beyond_its_deadline(tmp_path: Path, git: HeldGit) -> None:
    async with stage(tmp_path, options=RuntimeOptions(shutdown_deadline=SOON_OVER)) as it:
        turn = await it.ask("touch made\nwait-for go")
        await it.claimed(turn)
        git.hold()
        await it.let_go("go")
        await git.reached()
        await it.ended(turn)
    git.release_new()
    async with stage(tmp_path) as it:
        assert await status_of_turn_1(it) == "missing"
        assert session_of(await it.perform("say again")).status == "ready"
