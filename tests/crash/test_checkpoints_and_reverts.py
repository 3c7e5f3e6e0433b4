"""A host that dies at any step of a capture or a revert leaves all of it, once, or nothing.

asyncio and trio take the steps in turn, as at the other crash points.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
from anyio import to_thread

from orchestrion.actors.checkpoints.git import GitWorkspace
from orchestrion.contracts.errors import TurnDiffNotFound
from orchestrion.contracts.events import (
    ThreadActivityAppended,
    ThreadCheckpointRevertRequested,
    ThreadReverted,
    ThreadTurnDiffCompleted,
)
from orchestrion.contracts.ids import ThreadId
from tests.support.git import Repository
from tests.support.reverting_host import REVERT, die_at
from tests.support.stage import Stage, activity, payload, stage
from tests.support.workspaces import names_of

pytestmark = pytest.mark.anyio

T1 = ThreadId("t1")

REVERT_POINTS = [
    "revert.safety-kept",
    "revert.files-cleared",
    "revert.files-restored",
    "revert.agent-followed",
    "revert.completed",
]
BACKENDS = ["asyncio", "trio"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.init(tmp_path / "workspace")
    made.write("users.txt", "the user's\n")
    made.commit_all()
    return made


def names(repository: Repository) -> set[str]:
    return {path.name for path in repository.top.iterdir() if path.name != ".git"}


async def completed_diffs(it: Stage) -> list[ThreadTurnDiffCompleted]:
    return [event.payload for event in await it.log() if isinstance(event.payload, ThreadTurnDiffCompleted)]


@pytest.mark.lesson("L19")
@pytest.mark.parametrize(("point", "anyio_backend"), list(zip(REVERT_POINTS, cycle(BACKENDS), strict=False)))
async def test_a_revert_that_was_cut_off_is_done_once(
    point: str, repository: Repository, tmp_path: Path, anyio_backend_name: str
) -> None:
    die_at(point, tmp_path, anyio_backend_name)
    repository.write("since.txt", "written while no host ran\n")
    async with stage(tmp_path) as it:
        requested = await it.until(payload(ThreadCheckpointRevertRequested))
        outcome = await it.outcome(requested.event_id)
        assert isinstance(outcome.payload, ThreadReverted)
        thread = await it.thread()
        assert [turn.turn_count for turn in thread.turns] == [1]
        with pytest.raises(TurnDiffNotFound):
            await it.runtime.get_turn_diff(T1, 1, 2)
        log = await it.log()
        assert len([event for event in log if isinstance(event.payload, ThreadReverted)]) == 1
        (note,) = [event.payload for event in log if activity("checkpoint.reverted")(event)]
        assert isinstance(note, ThreadActivityAppended)
        came = ["since.txt"] if point in REVERT_POINTS[:3] else []
        outside = {"paths": [*came, "users.txt"], "files": 1 + len(came)}
        facts = {key: note.activity.payload[key] for key in ("written", "removed", "outside")}
        assert facts == {"written": 1, "removed": 1 + len(came), "outside": outside}
        asked = await it.ask("recall")
        await it.ended(asked)
        assert "words-1" not in await it.text_of(asked)
    assert "made-2" not in names(repository)
    assert (repository.top / "users.txt").read_text() == "the user's\n"
    workspace = await GitWorkspace.open(repository.top)
    assert workspace is not None
    refs = await to_thread.run_sync(names_of, tmp_path / "state.db")
    first = await workspace.existing(refs.safety(T1, requested.event_id))
    assert first is not None
    assert repository.contents(first.tree) == {
        b"users.txt": b"edited after turn 2\n",
        b"made-1": b"",
        b"made-2": b"",
    }
    kept = [repository.contents(one.tree) for one in await workspace.refs() if one.name.kind == "safety"]
    assert "since.txt" in names(repository) or any(b"since.txt" in tree for tree in kept)
    assert requested.command_id == REVERT.command_id


@pytest.mark.parametrize(
    ("point", "status", "anyio_backend"),
    [
        ("turn.claimed", "missing", "asyncio"),
        ("turn.handed-over", "missing", "trio"),
        ("turn.ended", "missing", "asyncio"),
        ("checkpoint.end-captured", "ready", "trio"),
        ("checkpoint.diff-stored", "ready", "asyncio"),
        ("checkpoint.reported", "ready", "trio"),
    ],
)
async def test_an_end_is_captured_once_or_never(
    point: str, status: str, repository: Repository, tmp_path: Path, anyio_backend_name: str
) -> None:
    die_at(point, tmp_path, anyio_backend_name)
    repository.write("since.txt", "written while no host ran\n")
    async with stage(tmp_path) as it:
        await it.until(payload(ThreadTurnDiffCompleted))
        (completed,) = await completed_diffs(it)
        assert (completed.checkpoint_turn_count, completed.status) == (1, status)
        assert [file.path for file in completed.files] == (["made-1"] if status == "ready" else [])
        if status == "ready":
            assert "since" not in (await it.runtime.get_turn_diff(T1, 0, 1)).diff
        else:
            with pytest.raises(TurnDiffNotFound):
                await it.runtime.get_turn_diff(T1, 0, 1)
            assert "was not captured" in str(await it.until(activity("checkpoint.captured")))
    async with stage(tmp_path) as it:
        assert len(await completed_diffs(it)) == 1
        second = await it.ask("touch made-2")
        await it.until(payload(ThreadTurnDiffCompleted), after=second.sequence)
        assert [file.path for file in (await completed_diffs(it))[1].files] == ["made-2"]


@pytest.mark.lesson("L20")
async def test_changes_before_a_turn_starts_belong_to_no_turn(
    repository: Repository, tmp_path: Path, anyio_backend_name: str
) -> None:
    """The host dies between the capture of the turn's start and its claim: the turn starts when it is claimed."""
    die_at("turn.baseline-captured", tmp_path, anyio_backend_name)
    repository.write("since.txt", "written while no host ran\n")
    async with stage(tmp_path) as it:
        await it.until(payload(ThreadTurnDiffCompleted))
        (completed,) = await completed_diffs(it)
        assert (completed.checkpoint_turn_count, completed.status) == (1, "ready")
        assert [file.path for file in completed.files] == ["made-1"]
