"""A revert in a workspace that others use too: it undoes their work only when it is told to, and says whose it was."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from orchestrion.runtime.contracts.codec import to_json
from orchestrion.runtime.contracts.events import PersistedEvent, ThreadActivityAppended, ThreadReverted
from orchestrion.runtime.contracts.ids import ThreadId
from orchestrion.runtime.contracts.revert_preview import OthersWork
from orchestrion.runtime.contracts.values import JsonObject
from tests.support.builders import checkpoint_revert
from tests.support.command_line import done
from tests.support.git import Repository
from tests.support.stage import Stage, activity, stage

pytestmark = pytest.mark.anyio

T1 = ThreadId("t1")
T2 = ThreadId("t2")


async def turn(it: Stage, script: str, *, thread_id: str = "t1") -> None:
    asked = await it.ask(script, thread_id=thread_id)
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


async def asked_to_revert(it: Stage, turn_count: int, *, revert_others: bool = False) -> PersistedEvent:
    requested = await it.send(checkpoint_revert(turn_count=turn_count, revert_others=revert_others))
    return await it.outcome(requested.event_id)


def payload_of(event: PersistedEvent) -> JsonObject:
    assert isinstance(event.payload, ThreadActivityAppended)
    return event.payload.activity.payload


@pytest.mark.lesson("L76")
async def test_a_revert_names_the_work_of_others_before_it_undoes_it(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("a.txt", "one\n")
    repository.commit_all()
    (tmp_path / "link").symlink_to(tmp_path / "workspace")
    async with stage(tmp_path) as it:
        await it.open_thread("t2", worktree_path=str(tmp_path / "link"))
        await turn(it, "touch own-1")
        await turn(it, "exec echo t2 >> a.txt; touch theirs", thread_id="t2")
        repository.write("mine.txt", "typed by the user\n")
        await turn(it, "touch own-2")
        preview = await it.runtime.preview_revert(T1, 1)
        assert preview.others == (OthersWork(thread_id=T2, turn_counts=(1,), paths=("a.txt", "theirs")),)
        assert (preview.outside, preview.written) == (("mine.txt",), ("a.txt",))
        assert preview.removed == ("mine.txt", "own-2", "theirs")
        printed = await anyio.to_thread.run_sync(done, "checkpoints", "preview", it.database, "t1", "1", "--json")
        assert json.loads(printed) == to_json(preview)

        refused = await asked_to_revert(it, 1)
        assert activity("checkpoint.revert.refused")(refused)
        assert payload_of(refused)["others"][0]["paths"] == ["a.txt", "theirs"]
        assert payload_of(refused)["outside"] == {"paths": ["mine.txt"], "files": 1}
        assert {"own-2", "theirs", "mine.txt"} <= {path.name for path in repository.top.iterdir()}

        reverted = await asked_to_revert(it, 1, revert_others=True)
        assert isinstance(reverted.payload, ThreadReverted)
        assert (repository.top / "a.txt").read_text() == "one\n"
        told = payload_of(await it.until(activity("checkpoint.undone.elsewhere")))
        assert (told["threadId"], told["paths"]) == ("t1", ["a.txt", "theirs"])
        own = payload_of(await it.until(activity("checkpoint.reverted")))
        assert (own["outside"]["paths"], own["safetyRef"]) == (["mine.txt"], told["safetyRef"])


@pytest.mark.lesson("L76")
async def test_a_thread_alone_in_its_workspace_reverts_without_being_told_to(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("a.txt", "one\n")
    repository.commit_all()
    async with stage(tmp_path) as it:
        await turn(it, "touch own-1")
        await turn(it, "exec echo two >> a.txt")
        await turn(it, "touch own-3")
        for count in (2, 0):
            assert not (await it.runtime.preview_revert(T1, count)).undoes_others
            assert isinstance((await asked_to_revert(it, count)).payload, ThreadReverted)
    assert {path.name for path in repository.top.iterdir()} == {".git", "a.txt"}
    assert (repository.top / "a.txt").read_text() == "one\n"
