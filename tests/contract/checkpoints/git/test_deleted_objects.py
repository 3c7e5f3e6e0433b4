"""Captures whose objects the user's git deletes, as `git gc --prune=now` may, during or after the capture."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import CaptureFailed, checkpoint_ref, safety_ref
from orchestrion.contracts.ids import CheckpointRef, EventId
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L80")]

_WRAPPER = """#!/bin/sh
case " $* " in *" {action} "*) meets=yes;; *) meets=;; esac
if [ -n "$meets" ] && [ ! -e {mark} ] && [ {moment} = before ]; then : > {mark}; rm -rf {objects}/??; fi
{git} "$@"; code=$?
if [ -n "$meets" ] && [ ! -e {mark} ] && [ {moment} = after ]; then : > {mark}; rm -rf {objects}/??; fi
exit $code
"""


def safety(attempt: int) -> CheckpointRef:
    return safety_ref(THREAD, EventId("revert"), attempt)


def delete_object(repository: Repository, name: str) -> None:
    (repository.top / ".git/objects" / name[:2] / name[2:]).unlink()


def delete_objects_once(
    repository: Repository, directory: Path, monkeypatch: pytest.MonkeyPatch, moment: str, action: str
) -> Path:
    """Delete all loose objects when git next runs `action`; return the file that exists once that has happened."""
    real, mark = shutil.which("git"), directory / "done"
    wrapper = directory / "bin" / "git"
    wrapper.parent.mkdir()
    objects = repository.top / ".git/objects"
    wrapper.write_text(_WRAPPER.format(action=action, moment=moment, mark=mark, objects=objects, git=real))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    return mark


@pytest.mark.parametrize(
    ("moment", "action"), [("before", "commit-tree"), ("before", "update-ref"), ("after", "update-ref")]
)
async def test_a_capture_whose_objects_are_deleted_meanwhile_ends_whole(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, action: str
) -> None:
    repository.write("a", "one\n")
    repository.commit_all()
    await captured(repository.top, 1)
    repository.git("gc", "-q")
    repository.write("a", "two\n")
    repository.write("below/b", "new\n")
    mark = delete_objects_once(repository, tmp_path, monkeypatch, moment, action)
    second = await captured(repository.top, 2)
    assert mark.exists()
    assert repository.contents(second.tree) == {b"a": b"two\n", b"below/b": b"new\n"}
    repository.git("fsck", "--connectivity-only")
    repository.git("gc", "-q", "--prune=now")


async def test_a_safety_capture_whose_objects_are_deleted_meanwhile_ends_whole(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("a", "one\n")
    repository.commit_all()
    first = await captured(repository.top, 1)
    repository.git("gc", "-q")
    repository.write("a", "two\n")
    mark = delete_objects_once(repository, tmp_path, monkeypatch, "after", "update-ref")
    kept, _ = await (await opened(repository.top)).restore(first, safety, "before")
    assert mark.exists()
    assert repository.contents(kept.tree) == {b"a": b"two\n"}
    assert (repository.top / "a").read_bytes() == b"one\n"
    repository.git("fsck", "--connectivity-only")


@pytest.mark.parametrize("lost", ["commit", "tree", "file"])
async def test_a_missing_object_harms_its_own_capture_only_and_prune_mends_git(
    repository: Repository, lost: str
) -> None:
    repository.commit_all()
    repository.write("a", "one\n")
    first = await captured(repository.top, 1)
    repository.write("a", "two\n")
    second = await captured(repository.top, 2)
    repository.write("a", "three\n")
    file = repository.git("rev-parse", f"{second.tree}:a").decode().strip()
    delete_object(repository, {"commit": second.commit, "tree": second.tree, "file": file}[lost])
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("gc", "-q")

    workspace = await opened(repository.top)
    if lost == "commit":
        assert await workspace.existing(second.ref) is None
    else:
        with pytest.raises(CaptureFailed):
            await workspace.restore(second, safety, "before")
        assert (repository.top / "a").read_bytes() == b"three\n"
    assert {one.ref: one.is_missing for one in await workspace.refs() if one.name.kind == "turn"} == {
        first.ref: False,
        second.ref: True,
    }
    await workspace.restore(first, safety, "before")
    assert (repository.top / "a").read_bytes() == b"one\n"
    await workspace.prune([second.ref])
    assert second.ref not in {one.ref for one in await workspace.refs()}
    repository.git("gc", "-q")
    repository.git("log", "--all")


async def test_the_next_capture_of_a_thread_deletes_its_refs_on_missing_commits(repository: Repository) -> None:
    repository.write("a", "one\n")
    first = await captured(repository.top, 1)
    repository.write("a", "two\n")
    second = await captured(repository.top, 2)
    delete_object(repository, second.commit)
    repository.write("a", "three\n")
    third = await captured(repository.top, 3)
    assert [one.ref for one in await (await opened(repository.top)).refs()] == [first.ref, third.ref]
    repository.git("gc", "-q")
    again = await captured(repository.top, 2)
    assert again.ref == checkpoint_ref(THREAD, 2)
    assert repository.contents(again.tree) == {b"a": b"three\n"}
