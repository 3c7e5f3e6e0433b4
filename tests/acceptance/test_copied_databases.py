"""A copy of a database, or a restored backup, repeats nothing that its original may have done since."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from orchestrion.contracts.events import PersistedEvent, ThreadActivityAppended
from orchestrion.contracts.values import Activity
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import checkpoint_revert
from tests.support.command_line import done
from tests.support.git import Repository
from tests.support.stage import Asked, Stage, activity, stage
from tests.support.workspaces import names_of

pytestmark = pytest.mark.anyio

HOW = pytest.mark.parametrize("how", ["backup", "copy"])


async def copy_of(database: Path, how: str) -> Path:
    """A copy in the same directory, made while no runtime has the database open."""
    target = database.with_name("copied.db")
    if how == "backup":
        await anyio.to_thread.run_sync(done, "backup", database, target)
    else:
        await anyio.to_thread.run_sync(shutil.copy, database, target)
    return target


@asynccontextmanager
async def passive(directory: Path, database: Path | None = None) -> AsyncIterator[Stage]:
    """A runtime without providers: requests stay open."""
    async with stage(directory, providers=[], database=database) as it:
        yield it


async def queued_turn(directory: Path, script: str = "say done") -> Asked:
    """Request a turn in a database that has had one, and leave it queued."""
    async with stage(directory) as it:
        await it.perform("say first")
    async with passive(directory) as it:
        return await it.ask(script)


def activity_of(event: PersistedEvent) -> Activity:
    assert isinstance(event.payload, ThreadActivityAppended)
    return event.payload.activity


@pytest.mark.lesson("L93")
@HOW
async def test_queued_turn_of_a_copy_is_cancelled_with_the_reason(how: str, tmp_path: Path) -> None:
    queued = await queued_turn(tmp_path)
    copied = await copy_of(tmp_path / "state.db", how)
    async with stage(tmp_path) as original:
        await original.ended(queued)
        assert await original.turn_statuses() == ["completed", "completed"]
    async with stage(tmp_path, database=copied) as it:
        outcome_of = activity_of(await it.outcome(queued.event_id))
        assert (outcome_of.kind, outcome_of.payload) == (
            "turn.cancelled",
            {"turnId": queued.turn_id, "reason": "copied_database"},
        )
        assert await it.turn_statuses() == ["completed"]
        await it.perform("say again")
        assert await it.turn_statuses() == ["completed", "completed"]


@pytest.mark.lesson("L93")
@HOW
async def test_queued_turn_of_a_copy_runs_if_the_host_allows_it(how: str, tmp_path: Path) -> None:
    queued = await queued_turn(tmp_path)
    copied = await copy_of(tmp_path / "state.db", how)
    async with stage(tmp_path, database=copied, options=RuntimeOptions(copy_policy="perform")) as it:
        await it.ended(queued)
        assert await it.text_of(queued) == "done"


@pytest.mark.lesson("L93")
async def test_open_revert_of_a_copy_leaves_the_workspace_alone(tmp_path: Path) -> None:
    workspace = Repository.init(tmp_path / "workspace")
    workspace.write("users.txt", "the user's\n")
    workspace.commit_all()
    async with stage(tmp_path) as it:
        asked = await it.ask("touch made")
        await it.until(activity("checkpoint.captured"), after=asked.sequence)
    async with passive(tmp_path) as it:
        revert = await it.send(checkpoint_revert(turn_count=0))
    copied = await copy_of(tmp_path / "state.db", "copy")
    async with stage(tmp_path, database=copied) as it:
        outcome_of = activity_of(await it.outcome(revert.event_id))
        assert (outcome_of.kind, outcome_of.payload["reason"]) == ("checkpoint.revert.refused", "copied_database")
    assert (workspace.top / "made").exists()


@pytest.mark.lesson("L93")
async def test_turn_queued_in_a_copy_after_its_first_opening_runs(tmp_path: Path) -> None:
    await queued_turn(tmp_path)
    copied = await copy_of(tmp_path / "state.db", "copy")
    async with stage(tmp_path, database=copied):
        pass
    async with passive(tmp_path, copied) as it:
        own = await it.ask("say its own")
    async with stage(tmp_path, database=copied) as it:
        await it.ended(own)
        assert await it.text_of(own) == "its own"


@pytest.mark.lesson("L93")
async def test_backup_of_a_database_that_never_ran_is_known_as_a_copy(tmp_path: Path) -> None:
    async with passive(tmp_path) as it:
        queued = await it.ask("say done")
        assert it.runtime.health().copy is None
    copied = await copy_of(tmp_path / "state.db", "backup")
    async with stage(tmp_path, database=copied) as it:
        assert activity_of(await it.outcome(queued.event_id)).kind == "turn.cancelled"


@pytest.mark.lesson("L93")
@HOW
async def test_health_and_stats_say_that_a_database_is_a_copy(how: str, tmp_path: Path) -> None:
    await queued_turn(tmp_path)
    original = names_of(tmp_path / "state.db").database
    copied = await copy_of(tmp_path / "state.db", how)
    async with passive(tmp_path, copied) as it:  # performs nothing, so the copy stays new
        seen = it.runtime.health().copy
        assert seen is not None
        assert (seen.original, seen.is_new) == (original, True)
    for command in ("stats", "health"):
        shown = json.loads(await anyio.to_thread.run_sync(done, command, copied, "--json"))
        assert shown["copy"] == {"original": original, "isNew": True}
        assert f"A copy of the database {original}" in await anyio.to_thread.run_sync(done, command, copied)
        unrelated = json.loads(await anyio.to_thread.run_sync(done, command, tmp_path / "state.db", "--json"))
        assert unrelated["copy"] is None
    for is_new in (True, False):
        async with stage(tmp_path, database=copied) as it:
            seen = it.runtime.health().copy
            assert seen is not None
            assert (seen.original, seen.is_new) == (original, is_new)
