"""Captures under refs: repeated, replaced, concurrent, obstructed and cancelled."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.checkpoints.git import (
    Capture,
    CaptureFailed,
    GitWorkspace,
    baseline_ref,
    checkpoint_ref,
    find_git,
)
from orchestrion.contracts.ids import CheckpointRef
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = pytest.mark.anyio


async def test_a_second_capture_under_one_message_answers_with_the_first(repository: Repository) -> None:
    repository.write("a", "one\n")
    workspace, ref = await opened(repository.top), checkpoint_ref(THREAD, 1)
    assert await workspace.existing(ref) is None
    first = await workspace.capture(ref, "turn t-1\n\nof thread-1\n")
    repository.write("a", "two\n")
    assert await workspace.capture(ref, "turn t-1\n\nof thread-1\n") == first
    assert await workspace.existing(ref) == first
    assert first.message == "turn t-1\n\nof thread-1"
    assert repository.git("rev-parse", ref).strip().decode() == first.commit


async def test_another_message_moves_the_ref_and_keeps_what_it_held(repository: Repository) -> None:
    repository.write("a", "one\n")
    workspace, ref = await opened(repository.top), checkpoint_ref(THREAD, 1)
    first = await workspace.capture(ref, "turn t-1")
    repository.write("a", "two\n")
    second = await workspace.capture(ref, "turn t-2")
    assert await workspace.existing(ref) == second
    assert repository.contents(second.tree) == {b"a": b"two\n"}
    assert repository.git("rev-parse", f"{ref}^").strip().decode() == first.commit


async def test_a_repeated_capture_replaces_the_first_only_after_changes(
    repository: Repository,
) -> None:
    repository.write("a.txt", "one\n")
    workspace = await opened(repository.top)
    ref = baseline_ref(THREAD, 1)
    first = await workspace.capture(ref, "start")
    assert await workspace.capture(ref, "start", anew=True) == first
    repository.write("a.txt", "two\n")
    assert await workspace.capture(ref, "start") == first
    second = await workspace.capture(ref, "start", anew=True)
    assert repository.contents(second.tree) == {b"a.txt": b"two\n"}
    assert await workspace.existing(ref) == second
    assert repository.git("rev-parse", f"{ref}^").decode().strip() == first.commit


async def test_a_repeated_capture_that_fails_does_not_return_the_old_one(repository: Repository) -> None:
    repository.write("a.txt", "one\n")
    workspace = await opened(repository.top)
    ref = baseline_ref(THREAD, 1)
    first = await workspace.capture(ref, "start")
    repository.write("a.txt", "two\n")
    lock = repository.top / ".git" / f"{ref}.lock"
    lock.touch()
    with pytest.raises(CaptureFailed, match="update-ref"):
        await workspace.capture(ref, "start", anew=True)
    lock.unlink()
    assert await workspace.existing(ref) == first


async def test_captures_at_once_under_one_ref_agree(repository: Repository) -> None:
    for number in range(20):
        repository.write(f"file-{number}", f"{number}\n")
    answers: list[Capture] = []

    async def capture() -> None:
        answers.append(await captured(repository.top))

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(capture)
    assert len(answers) == 6
    assert len({answer.commit for answer in answers}) == 1


async def test_captures_at_once_under_many_refs_all_succeed(repository: Repository) -> None:
    repository.write("a", "a\n")
    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(captured, repository.top, number)
    workspace = await opened(repository.top)
    trees = {capture.tree for n in range(6) if (capture := await workspace.existing(checkpoint_ref(THREAD, n)))}
    assert len(trees) == 1


async def test_an_edit_of_the_same_size_is_seen(repository: Repository) -> None:
    repository.write("a", "0")
    for number in range(1, 10):
        repository.write("a", str(number))
        capture = await captured(repository.top, number)
        assert repository.contents(capture.tree) == {b"a": str(number).encode()}


async def test_a_damaged_private_index_costs_nothing_but_time(repository: Repository) -> None:
    repository.write("a", "a\n")
    first = await captured(repository.top, 1)
    (kept,) = (repository.top / ".git" / "orchestrion").glob("index-*")
    kept.write_bytes(b"not an index")
    assert (await captured(repository.top, 2)).tree == first.tree


async def test_objects_that_were_pruned_are_written_again(repository: Repository) -> None:
    repository.write("a", "a\n")
    first = await captured(repository.top, 1)
    repository.git("update-ref", "-d", first.ref)
    repository.git("prune", "--expire=now")
    again = await captured(repository.top, 2)
    assert repository.contents(again.tree) == {b"a": b"a\n"}


async def test_refs_outside_the_namespace_are_refused(repository: Repository) -> None:
    workspace = await opened(repository.top)
    with pytest.raises(ValueError, match="refs/orchestrion/"):
        await workspace.capture(CheckpointRef("refs/heads/main"), "no")
    with pytest.raises(ValueError, match="refs/orchestrion/"):
        await workspace.existing(CheckpointRef("HEAD"))


async def test_capture_that_cannot_be_written_reports_the_reason(repository: Repository) -> None:
    repository.write("a", "a\n")
    repository.write(".git/orchestrion", "a file in the way")
    with pytest.raises(CaptureFailed, match="orchestrion") as raised:
        await captured(repository.top)
    assert raised.value.fault


async def test_file_at_the_path_of_a_ref_is_reported_with_gits_message(repository: Repository) -> None:
    repository.git("commit", "-q", "--allow-empty", "-m", "first")
    ref = checkpoint_ref(THREAD, 1)
    repository.git("update-ref", f"{ref}/below", "HEAD")
    with pytest.raises(CaptureFailed, match="below") as raised:
        await captured(repository.top)
    assert raised.value.action == "update-ref"


@pytest.mark.lesson("L27")
async def test_a_passed_deadline_is_an_error_and_leaves_nothing(repository: Repository) -> None:
    repository.write("a", "a\n")
    workspace = await GitWorkspace.open(repository.top)
    assert workspace is not None
    hurried = type(workspace)(git=workspace._git, path=repository.top, layout=workspace._layout, deadline=0.0)
    with pytest.raises(CaptureFailed, match="0 s"):
        await hurried.capture(checkpoint_ref(THREAD, 1), "late")
    assert await workspace.existing(checkpoint_ref(THREAD, 1)) is None


async def test_a_cancelled_capture_leaves_no_process_no_scratch_and_no_ref(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("a", "a\n")
    os.mkfifo(tmp_path / "stuck")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
        case " $* " in *" write-tree "*) echo $$ > '{tmp_path / "stuck"}'; exec sleep 3600;; esac
        exec '{await find_git()}' "$@"
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    workspace, ref = await opened(repository.top), checkpoint_ref(THREAD, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workspace.capture, ref, "never")
        pid = int(await anyio.Path(tmp_path / "stuck").read_text())
        assert len(list((repository.top / ".git" / "orchestrion").glob("capture-*"))) == 1
        tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list((repository.top / ".git" / "orchestrion").iterdir()) == []
    assert await workspace.existing(ref) is None
