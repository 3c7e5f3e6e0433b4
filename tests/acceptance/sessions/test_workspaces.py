"""A workspace that is removed, replaced, renamed or reached by another path while its thread's agent runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.builders import thread_meta_update
from tests.support.stage import activity, error_of, session_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L35")]


async def test_conversation_goes_on_in_a_replaced_workspace(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        before = session_of(await it.perform("say one"))
        shutil.rmtree(it.workspace)
        it.workspace.mkdir()
        turn = await it.ask("recall\nexec echo here > found.txt")
        after = session_of(await it.ended(turn))
        assert (after.status, after.provider_thread_id) == ("ready", before.provider_thread_id)
        assert after.provider_session_id != before.provider_session_id
        assert "I remember 1 turns" in await it.text_of(turn)
        assert it.path("found.txt").read_text() == "here\n"


@pytest.mark.parametrize("gone", ["removed", "a file"])
async def test_turn_without_its_workspace_fails_and_runs_once_it_is_back(tmp_path: Path, gone: str) -> None:
    async with stage(tmp_path) as it:
        before = session_of(await it.perform("say one"))
        shutil.rmtree(it.workspace)
        if gone == "a file":
            it.workspace.touch()
        turn = await it.ask("say never")
        failed = await it.outcome(turn.event_id)
        assert activity("turn.start.failed")(failed)
        assert f"the workspace {it.workspace} cannot be used" in error_of(failed)
        why = (await it.thread()).last_failure
        assert why is not None
        assert (why.turn_id, why.reason) == (turn.turn_id, "workspace")

        it.workspace.unlink(missing_ok=True)
        it.workspace.mkdir()
        assert session_of(await it.perform("say back")).provider_thread_id == before.provider_thread_id
        assert await it.turn_statuses() == ["completed", "completed"]


async def test_agent_of_a_renamed_workspace_is_started_again_at_the_new_name(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        before = session_of(await it.perform("say one"))
        renamed = tmp_path / "renamed"
        it.workspace.rename(renamed)
        await it.send(thread_meta_update(worktree_path=str(renamed)))
        after = session_of(await it.perform("exec echo here > found.txt"))
        assert after.provider_session_id != before.provider_session_id
        assert (renamed / "found.txt").read_text() == "here\n"


async def test_agent_is_kept_where_another_name_leads_to_the_same_directory(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        before = session_of(await it.perform("say one"))
        alias = tmp_path / "alias"
        alias.symlink_to(it.workspace)
        await it.send(thread_meta_update(worktree_path=str(alias)))
        assert session_of(await it.perform("say two")).provider_session_id == before.provider_session_id
