"""A revert in a workspace that others use too undoes their work only if the command allows it, and names the owners."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from orchestrion.contracts.codec import to_json
from orchestrion.contracts.events import PersistedEvent, ThreadActivityAppended, ThreadReverted
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.revert_preview import OthersWork, undone_payload
from orchestrion.contracts.values import JsonObject
from tests.support.builders import checkpoint_revert
from tests.support.command_line import done
from tests.support.git import Repository
from tests.support.stage import Stage, activity, stage
from tests.support.unprivileged import play

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


@pytest.mark.lesson("L71")
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
        named = await it.runtime.handle("orchestration.previewRevert", {"threadId": "t1", "turnCount": 1})
        assert json.loads(json.dumps(named)) == {"result": {**json.loads(printed), "undoesOthers": True}}

        refused = await asked_to_revert(it, 1)
        assert activity("checkpoint.revert.refused")(refused)
        assert payload_of(refused)["others"][0]["paths"] == ["a.txt", "theirs"]
        assert payload_of(refused)["outside"] == {"paths": ["mine.txt"], "files": 1}
        assert {"own-2", "theirs", "mine.txt"} <= {path.name for path in repository.top.iterdir()}

        reverted = await asked_to_revert(it, 1, revert_others=True)
        assert isinstance(reverted.payload, ThreadReverted)
        assert (repository.top / "a.txt").read_text() == "one\n"
        found = payload_of(await it.until(activity("checkpoint.undone.elsewhere")))
        assert (found["threadId"], found["paths"]) == ("t1", ["a.txt", "theirs"])
        own = payload_of(await it.until(activity("checkpoint.reverted")))
        assert (own["outside"]["paths"], own["safetyRef"]) == (["mine.txt"], found["safetyRef"])


@pytest.mark.lesson("L195")
async def test_file_of_another_thread_that_the_user_edited_too_is_outside(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("a.txt", "one\n")
    repository.commit_all()
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        await turn(it, "touch own-1")
        await turn(it, "exec echo t2 >> a.txt; echo t2 > b.txt", thread_id="t2")
        await turn(it, "exec echo t1 >> a.txt")
        assert (await it.runtime.preview_revert(T1, 1)).outside == ()
        repository.write("a.txt", "one\nt2\nt1\nuser\n")
        preview = await it.runtime.preview_revert(T1, 1)
        assert preview.others == (OthersWork(thread_id=T2, turn_counts=(1,), paths=("a.txt", "b.txt")),)
        assert preview.outside == ("a.txt",)
        await turn(it, "touch own-3")
        assert (await it.runtime.preview_revert(T1, 1)).outside == ("a.txt",)
        refused = await asked_to_revert(it, 1)
        assert "thread 't2', edits outside any turn" in str(payload_of(refused)["error"])


@pytest.mark.lesson("L71")
async def test_thread_alone_in_its_workspace_reverts_without_permission(tmp_path: Path) -> None:
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


@pytest.mark.lesson("L71")
async def test_files_left_alone_by_a_revert_are_not_reported_as_undone(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    repository.write("a.txt", "one\n")
    repository.write(".gitignore", "*.log\n")
    repository.commit_all()
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        await it.open_thread("t3")
        await turn(it, "touch own-1")
        await turn(it, "exec echo t2 >> a.txt; truncate -s 101M large", thread_id="t2")
        await turn(it, "exec truncate -s 102M larger", thread_id="t3")
        await turn(it, "exec rm .gitignore; touch own-2 kept.log; mkfifo pipe; git init -q new; touch new/file")
        preview = await it.runtime.preview_revert(T1, 1)
        assert preview.left_alone == ("kept.log", "large", "larger", "new", "pipe")
        assert (preview.written, preview.removed) == ((".gitignore", "a.txt"), ("own-2",))
        assert (preview.others, preview.outside) == (
            (OthersWork(thread_id=T2, turn_counts=(1,), paths=("a.txt",)),),
            (),
        )

        assert isinstance((await asked_to_revert(it, 1, revert_others=True)).payload, ThreadReverted)
        own = await it.until(activity("checkpoint.reverted"))
        found = payload_of(own)
        assert (found["leftAlone"], found["leftAloneCount"]) == (list(preview.left_alone), 5)
        assert (found["written"], found["removed"]) == (len(preview.written), len(preview.removed))
        assert {key: found[key] for key in ("others", "outside")} == undone_payload(preview)
        assert "put back to the end of turn 1, but 5 paths were left alone" in str(own.payload)
        (elsewhere,) = [event for event in await it.log() if activity("checkpoint.undone.elsewhere")(event)]
        assert (elsewhere.stream_id, payload_of(elsewhere)["paths"]) == ("t2", ["a.txt"])
        assert "1 file that this thread changed was put back" in str(elsewhere.payload)
        assert {"kept.log", "large", "larger", "new", "pipe"} <= {path.name for path in repository.top.iterdir()}


@pytest.mark.lesson("L67")
def test_unreadable_files_at_either_end_of_a_revert_are_listed(tmp_path: Path) -> None:
    found = play("tests.support.unreadable_reverts", str(tmp_path))
    for when, left_alone, turn_count in (
        ("unreadable now", ["src/b.py", "src/m.py", "src/y.py"], 1),
        ("unreadable then", ["src/b.py", "src/c.py", "src/m.py", "src/y.py"], 2),
    ):
        result = f"put back to the end of turn {turn_count}, but {len(left_alone)} paths were left alone"
        assert found[when]["previewed"] == [left_alone, 1, False]
        assert found[when]["activities"] == [["checkpoint.reverted", f"The workspace was {result}"]]
        payload = found[when]["payload"]
        assert (payload["leftAlone"], payload["written"], payload["removed"]) == (left_alone, 0, 1)
        assert not {"others", "outside"} & payload.keys()
    assert found["restored"] == [f"left alone: src/{name}.py" for name in "bcmy"]
    assert [line.rpartition(": ")[2] for line in found["gone"]] == ["1 file written, 0 removed", "src"]
