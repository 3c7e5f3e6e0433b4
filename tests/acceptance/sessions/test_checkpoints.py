"""A checkpoint records what a turn changed in its workspace, and no other changes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import CaptureLimits
from orchestrion.contracts.errors import TurnDiffNotFound
from orchestrion.contracts.events import PersistedEvent, ThreadReverted, ThreadTurnDiffCompleted
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.values import Unset
from tests.support.builders import approval_respond, checkpoint_revert
from tests.support.git import Repository
from tests.support.stage import Stage, activity, payload, request_of, session_of, stage

pytestmark = pytest.mark.anyio


async def _write(it: Stage, path: str, content: str) -> ThreadTurnDiffCompleted:
    """Run a turn that writes a file; return its checkpoint's event."""
    turn = await it.ask(f"write {path} {content}")
    asked = await it.until(activity("approval.requested"), after=turn.sequence)
    await it.send(approval_respond(request_id=request_of(asked)))
    captured = await it.until(payload(ThreadTurnDiffCompleted), after=turn.sequence)
    assert isinstance(captured.payload, ThreadTurnDiffCompleted)
    assert captured.correlation_id == turn.command_id
    return captured.payload


@pytest.mark.lesson("L20")
async def test_l20_changes_between_turns_belong_to_no_turn(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("users.txt", "mine\n")
    async with stage(tmp_path) as it:
        first = await _write(it, "a.txt", "one")
        repository.write("between.txt", "edited between the turns\n")
        repository.write("a.txt", "edited too")
        second = await _write(it, "b.txt", "two")

        assert [(file.path, file.kind) for file in first.files] == [("a.txt", "added")]
        assert [(file.path, file.kind) for file in second.files] == [("b.txt", "added")]
        diff = (await it.runtime.get_turn_diff(ThreadId("t1"), 1, 2)).diff
        assert "+two" in diff
        assert "between" not in diff
        thread = await it.thread()
        assert not isinstance(thread.checkpoints, Unset)
        assert [one.checkpoint_turn_count for one in thread.checkpoints] == [1, 2]


async def test_a_turn_that_ends_by_a_crash_has_a_checkpoint_too(tmp_path: Path) -> None:
    Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        await it.perform("touch made\nexit 1")
        captured = await it.until(payload(ThreadTurnDiffCompleted))
        assert isinstance(captured.payload, ThreadTurnDiffCompleted)
        assert [file.path for file in captured.payload.files] == ["made"]


async def test_a_clean_stop_of_the_runtime_waits_for_the_captures_it_owes(tmp_path: Path) -> None:
    Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        turn = await it.ask("touch made\nrun make\nwait-for never")
        await it.until(activity("tool.completed"), after=turn.sequence)
    async with stage(tmp_path, providers=[]) as again:
        assert "made" in (await again.runtime.get_turn_diff(ThreadId("t1"), 0, 1)).diff
        assert await again.turn_statuses() == ["interrupted"]


async def test_captures_without_a_repository_are_next_to_the_database(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("touch made")
        captured = await it.until(payload(ThreadTurnDiffCompleted))
        assert isinstance(captured.payload, ThreadTurnDiffCompleted)
        assert (captured.payload.status, [file.path for file in captured.payload.files]) == ("ready", ["made"])
        assert sorted(path.name for path in it.workspace.iterdir()) == ["made"]
    (shadow,) = (tmp_path / "state.db.checkpoints").iterdir()
    assert (shadow / "workspace").read_bytes() == os.fsencode((tmp_path / "workspace").resolve())


async def test_a_diff_from_the_beginning_includes_what_changed_between_turns(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        for number in (1, 2, 3):
            turn = await it.ask(f"touch made-{number}")
            await it.until(activity("checkpoint.captured"), after=turn.sequence)
            repository.write("between.txt", f"after turn {number}\n")
        whole = (await it.runtime.get_turn_diff(ThreadId("t1"), 0, 3)).diff
        assert [name in whole for name in ("made-1", "made-2", "made-3", "after turn 2")] == [True] * 4
        assert "after turn 3" not in whole
        own = (await it.runtime.get_turn_diff(ThreadId("t1"), 2, 3)).diff
        assert ("made-3" in own, "made-2" in own, "between" in own) == (True, False, False)
        with pytest.raises(TurnDiffNotFound):
            await it.runtime.get_turn_diff(ThreadId("t1"), 1, 3)


async def test_threads_working_in_one_workspace_are_noted_in_both(tmp_path: Path) -> None:
    Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        await it.open_thread("t3", worktree_path=str(tmp_path))
        first = await it.ask("touch one\nrun make\nwait-for go")
        await it.until(activity("tool.completed"), after=first.sequence)
        await it.perform("touch two", thread_id="t2")
        await it.let_go("go")
        await it.ended(first)
        found: dict[str, PersistedEvent] = {}
        for _ in range(2):
            after = max((event.sequence for event in found.values()), default=0)
            event = await it.until(activity("checkpoint.workspace.shared"), after=after)
            found[event.stream_id] = event
        assert "'t2'" in str(found["t1"].payload)
        assert "'t1'" in str(found["t2"].payload)
        third = await it.ask("say alone", thread_id="t1")
        await it.until(activity("checkpoint.captured"), after=third.sequence)
        assert len([event for event in await it.log() if activity("checkpoint.workspace.shared")(event)]) == 2


async def test_turn_whose_capture_fails_has_a_checkpoint_in_error(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write(".git/orchestrion", "a file in the way")
    async with stage(tmp_path) as it:
        assert session_of(await it.perform("touch made")).status == "ready"
        completed = await it.until(payload(ThreadTurnDiffCompleted))
        assert isinstance(completed.payload, ThreadTurnDiffCompleted)
        assert (completed.payload.status, completed.payload.files) == ("error", ())
        failed = [event for event in await it.log() if activity("checkpoint.capture.failed")(event)]
        assert ["start of turn 1" in str(event.payload) for event in failed] == [True]
        (repository.top / ".git" / "orchestrion").unlink()
        await it.perform("touch more")
        completed = await it.until(payload(ThreadTurnDiffCompleted), after=completed.sequence)
        assert isinstance(completed.payload, ThreadTurnDiffCompleted)
        assert completed.payload.status == "ready"


async def test_a_file_that_is_too_large_is_listed_and_said(tmp_path: Path) -> None:
    Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        asked = await it.ask("touch small\nrun make\nwait-for go")
        await it.until(activity("tool.completed"), after=asked.sequence)
        with (it.workspace / "large").open("wb") as large:
            large.truncate(CaptureLimits().file_bytes + 1)
        await it.let_go("go")
        completed = await it.until(payload(ThreadTurnDiffCompleted))
        assert isinstance(completed.payload, ThreadTurnDiffCompleted)
        assert [(file.path, file.kind, file.additions) for file in completed.payload.files] == [
            ("go", "added", 0),
            ("large", "added", 0),
            ("small", "added", 0),
        ]
        found = await it.until(activity("checkpoint.captured"))
        assert "Turn 1 changed 3 files, 1 too large to keep" in str(found.payload)
        assert (
            "the content of this file was not captured" in (await it.runtime.get_turn_diff(ThreadId("t1"), 0, 1)).diff
        )


async def test_without_git_the_thread_gets_one_note_and_sessions_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    Repository.init(tmp_path / "workspace")
    monkeypatch.setenv("PATH", os.fspath(programs))
    for _ in range(2):
        async with stage(tmp_path) as it:
            for _ in range(2):
                assert session_of(await it.perform("say fine")).status == "ready"
    async with stage(tmp_path, providers=[]) as it:
        found = [event for event in await it.log() if "checkpoint" in str(event.payload)]
        assert len(found) == 1
        assert activity("checkpoint.unavailable")(found[0])
        assert "install git to have checkpoints" in str(found[0].payload)


@pytest.mark.lesson("L67")
async def test_files_left_out_of_a_checkpoint_are_in_the_history(tmp_path: Path) -> None:
    Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        os.mkfifo(it.workspace / "pipe")
        os.mkfifo(it.workspace / "another")
        for _ in range(2):
            asked = await it.ask("touch made")
            captured = await it.until(activity("checkpoint.captured"), after=asked.sequence)
            assert "2 paths could not be captured" in str(captured.payload)
        found = (await it.thread()).activities
        assert not isinstance(found, Unset)
        (skipped,) = [one for one in found if one.kind == "capture.skipped"]
        assert skipped.payload == {
            "turnCount": 1,
            "count": 2,
            "reasons": {"special-file": 2},
            "paths": [
                {"path": "another", "reason": "special-file"},
                {"path": "pipe", "reason": "special-file"},
            ],
        }


@pytest.mark.lesson("L68")
async def test_git_init_during_a_turn_costs_no_checkpoint(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        for script in ("touch one", "exec git init -q . && touch two", "touch three"):
            asked = await it.ask(script)
            captured = await it.until(payload(ThreadTurnDiffCompleted), after=asked.sequence)
            assert isinstance(captured.payload, ThreadTurnDiffCompleted)
            assert captured.payload.status == "ready"
        assert "two" in (await it.runtime.get_turn_diff(ThreadId("t1"), 1, 2)).diff
        requested = await it.send(checkpoint_revert(turn_count=1))
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
        assert sorted(path.name for path in it.workspace.iterdir()) == [".git", "one"]


@pytest.mark.lesson("L68")
async def test_a_turn_whose_checkpoint_is_in_error_is_no_target(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        asked = await it.ask("exec rm -rf .git && git init -q . && touch one")
        await it.until(payload(ThreadTurnDiffCompleted), after=asked.sequence)
        asked = await it.ask("touch two")
        await it.until(activity("checkpoint.captured"), after=asked.sequence)
        thread = await it.thread()
        assert not isinstance(thread.checkpoints, Unset)
        assert [one.status for one in thread.checkpoints] == ["error", "ready"]
        reasons = [event.payload for event in await it.log() if activity("checkpoint.capture.failed")(event)]
        assert ["the capture of its start is not there" in str(reason) for reason in reasons] == [True]
        requested = await it.send(checkpoint_revert(turn_count=1))
        refused = await it.outcome(requested.event_id)
        assert "the checkpoint of turn 1 is in error" in str(refused.payload)
        assert (repository.top / "two").exists()
