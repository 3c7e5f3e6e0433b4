"""A workspace keeps its captures while the repository around it appears, disappears, breaks or is replaced."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion.actors.checkpoints.git import Capture, GitWorkspace, baseline_ref, checkpoint_ref, safety_ref
from tests.support.git import Repository
from tests.support.workspaces import THREAD, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L68")]


async def plain(top: Path, database: Path) -> Capture:
    """The start of a turn in a workspace without a repository."""
    await anyio.Path(top).mkdir(parents=True, exist_ok=True)
    (top / "a.txt").write_text("one\n")
    return await (await opened(top, database=database)).capture(baseline_ref(THREAD, 1), "before turn 1")


async def end_and_back(top: Path, database: Path) -> GitWorkspace:
    """Assert that the end of the turn can be captured, compared with its start, and reverted."""
    (top / "a.txt").write_text("two\n")
    workspace = await opened(top, database=database)
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "after turn 1")
    start = await workspace.existing(baseline_ref(THREAD, 1))
    assert start is not None
    assert start.message == "before turn 1"
    changed = [file.path.rpartition("/")[2] for file in (await workspace.diff(start, end)).files]
    assert changed == ["a.txt"]
    await workspace.restore(start, lambda n: safety_ref(THREAD, "intent", n), "before the revert")
    assert (top / "a.txt").read_text() == "one\n"
    again = await opened(top, database=database)
    assert again.place == workspace.place
    return again


@pytest.mark.parametrize("commits", [True, False])
async def test_git_init_during_a_turn_keeps_its_start(tmp_path: Path, commits: bool) -> None:
    top, database = tmp_path / "work", tmp_path / "state.db"
    await plain(top, database)
    repository = Repository.init(top)
    if commits:
        repository.commit_all()
    await end_and_back(top, database)
    assert not (top / ".git" / "orchestrion").exists()


async def test_git_init_above_the_workspace_keeps_its_start(tmp_path: Path) -> None:
    top, database = tmp_path / "work" / "package", tmp_path / "state.db"
    await plain(top, database)
    Repository.init(top.parent)
    await end_and_back(top, database)


async def test_git_init_in_a_directory_of_a_repository_keeps_its_start(repository: Repository, tmp_path: Path) -> None:
    top, database = repository.top / "odd näme" / "inner", tmp_path / "state.db"
    start = await plain(top, database)
    assert set(repository.contents(start.tree)) == {"odd näme/inner/a.txt".encode()}
    inner = Repository.init(top)
    inner.commit_all()
    workspace = await end_and_back(top, database)
    assert workspace.top == top.resolve()
    moved = await workspace.existing(baseline_ref(THREAD, 1))
    assert moved is not None
    assert set(inner.contents(moved.tree)) == {b"a.txt"}


@pytest.mark.parametrize("broken", ["bare", "moved into a worktree's place"])
async def test_a_repository_that_changes_keeps_the_start(repository: Repository, tmp_path: Path, broken: str) -> None:
    database = tmp_path / "state.db"
    await plain(repository.top, database)
    repository.commit_all()
    if broken == "bare":
        repository.git("config", "core.bare", "true")
    else:
        (repository.top / ".git").rename(tmp_path / "git directory")
        (repository.top / ".git").write_text(f"gitdir: {tmp_path / 'git directory'}\n")
    await end_and_back(repository.top, database)


@pytest.mark.parametrize("broken", ["gone", "no git file", "an empty directory"])
async def test_a_repository_that_is_gone_makes_room_for_a_shadow(
    repository: Repository, tmp_path: Path, broken: str
) -> None:
    database = tmp_path / "state.db"
    await plain(repository.top, database)
    (repository.top / ".git").rename(tmp_path / "away")
    if broken == "no git file":
        (repository.top / ".git").write_text("nothing of git's\n")
    elif broken == "an empty directory":
        (repository.top / ".git").mkdir()
    workspace = await opened(repository.top, database=database)
    assert await workspace.existing(baseline_ref(THREAD, 1)) is None
    await workspace.capture(baseline_ref(THREAD, 1), "before turn 1")
    await end_and_back(repository.top, database)


async def test_captures_of_both_places_are_found(tmp_path: Path) -> None:
    """A database of the first edition: its workspace was plain, then became a repository with captures of its own."""
    top, database = tmp_path / "work", tmp_path / "state.db"
    await plain(top, database)
    repository = Repository.init(top)
    await (await opened(top)).capture(checkpoint_ref(THREAD, 2), "after turn 2")
    workspace = await end_and_back(top, database)
    assert (await workspace.existing(checkpoint_ref(THREAD, 2))) is not None
    assert repository.git("for-each-ref", baseline_ref(THREAD, 1)) != b""
