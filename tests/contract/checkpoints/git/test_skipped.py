"""Files that a capture cannot read are listed with the capture, and no revert removes or changes them."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import CaptureFailed, CaptureLimits, SkippedPaths, safety_ref
from tests.support.git import Repository
from tests.support.unprivileged import play
from tests.support.workspaces import THREAD, captured, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L67")]


def reasons(skipped: SkippedPaths) -> dict[bytes, str]:
    return dict(skipped.reasons)


def test_unreadable_files_are_listed_and_stay(tmp_path: Path) -> None:
    printed = play("tests.support.unreadable_story", str(tmp_path))
    unreadable = {"volume": "unreadable", "key": "unreadable"}
    assert printed["first"] == {"skipped": unreadable, "tree": ["a", "closed/inner/file"]}
    assert printed["second"] == {"skipped": {}, "changed": ["a"]}
    assert printed["back to the first"] == {"leftAlone": ["key", "volume/base", "volume/later"], "skipped": {}}
    assert printed["after it"] == {"a": "one\n", "key": "key\n", "volume/base": "precious\n", "volume/later": "later\n"}
    assert printed["forth to the second"] == {
        "leftAlone": ["volume/base", "volume/later"],
        "skipped": {"volume": "unreadable"},
    }
    assert "'closed/inner' may not be written to" in printed["may not write"]["refused"]
    assert printed["untouched"] == {"a": "three\n", "closed/inner/file": "two\n"}
    assert printed["allowed"] == {"leftAlone": [], "skipped": {}}
    assert printed["done"] == {"a": "two\n", "closed/inner/file": "one\n"}


async def test_files_without_content_for_git_are_listed(repository: Repository) -> None:
    repository.write("a", "one\n")
    repository.write("big", "x" * 2000)
    repository.write("git~1", "a name that git refuses\n")
    repository.write("sub/.GIT/config", "another\n")
    os.mkfifo(repository.top / "pipe")
    Repository.init(repository.top / "unborn").write("file", "content\n")
    Repository.init(repository.top / "nested").commit_all()
    here = os.getcwd()
    os.chdir(repository.top)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("ear")
    finally:
        os.chdir(here)
    workspace = await opened(repository.top, limits=CaptureLimits(file_bytes=1000))
    first = await workspace.capture(safety_ref(THREAD, "first"), "first")
    unknown = {
        b"git~1": "name-refused",
        b"sub/.GIT/config": "name-refused",
        b"pipe": "special-file",
        b"ear": "special-file",
        b"unborn": "repository-without-commit",
    }
    assert reasons(first.skipped) == {**unknown, b"big": "too-large", b"nested": "nested-repository"}
    assert await workspace.existing(first.ref) == first
    assert set(repository.contents(first.tree)) == {b"a", b"big", b"nested"}

    (repository.top / "unborn" / ".git").rename(repository.top / ".git" / "away")
    for name in ("pipe", "ear", "big"):
        (repository.top / name).unlink()
    repository.write("pipe", "a file now\n")
    repository.write("big/inner", "a directory now\n")
    repository.write("a", "two\n")
    kept, done = await workspace.restore(first, lambda n: safety_ref(THREAD, "intent", n), "before")
    assert (repository.top / "a").read_text() == "one\n"
    assert (repository.top / "unborn" / "file").read_text() == "content\n"
    assert (repository.top / "pipe").read_text() == "a file now\n"
    assert (repository.top / "big" / "inner").read_text() == "a directory now\n"
    assert {"pipe", "unborn/file", "big", "big/inner"} <= set(done.left_alone)
    assert repository.contents(kept.tree)[b"unborn/file"] == b"content\n"


async def test_a_path_too_long_is_named_and_stays(repository: Repository) -> None:
    repository.write("a", "one\n")
    target = await captured(repository.top, 1)
    directory = os.open(repository.top, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=directory)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    repository.write("a", "two\n")
    second = await captured(repository.top, 2)
    assert list(second.skipped.counts) == ["path-too-long"]
    await (await opened(repository.top)).restore(target, lambda n: safety_ref(THREAD, "intent", n), "before")
    assert os.listdir(directory) == []
    os.close(directory)
    assert (repository.top / "a").read_text() == "one\n"


def test_a_long_list_is_shortened_to_the_directories_above() -> None:
    many = SkippedPaths({b"top/%d/%d" % (number % 3, number): "unreadable" for number in range(3000)})
    short = many.shortened()
    assert short.reasons == {b"top/%d" % number: "several" for number in range(3)}
    assert SkippedPaths.read(short.lines().splitlines()) == short
    odd = SkippedPaths({b" \n\xff:%": "special-file", b"": "several"})
    assert SkippedPaths.read(odd.lines().splitlines()) == odd


async def test_a_workspace_far_too_large_is_given_up_early(tmp_path: Path) -> None:
    top = tmp_path / "plain"
    (top / "ignored").mkdir(parents=True)
    (top / ".gitignore").write_text("ignored/\n")
    for number in range(20):
        (top / "ignored" / str(number)).write_text("x")
        (top / str(number)).write_text("x")
    workspace = await opened(top, database=tmp_path / "state.db", limits=CaptureLimits(shadow_files=21))
    await workspace.capture(safety_ref(THREAD, "first"), "first")
    (top / "one more").write_text("x")
    with pytest.raises(CaptureFailed, match="more than 21 files"):
        await workspace.capture(safety_ref(THREAD, "second"), "second")


async def test_a_capture_that_fails_leaves_no_objects(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("a", "one\n")
    repository.commit_all()
    objects = repository.top / ".git" / "objects"
    before = sorted(objects.rglob("*"))
    repository.write("b", "of a capture that fails\n")
    failing = tmp_path / "bin" / "git"
    failing.parent.mkdir()
    failing.write_text(f'#!/bin/sh\ncase "$*" in *write-tree*) exit 1;; esac\nexec {shutil.which("git")} "$@"\n')
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
    workspace = await opened(repository.top)
    with pytest.raises(CaptureFailed, match="write-tree"):
        await workspace.capture(safety_ref(THREAD, "first"), "first")
    assert sorted(objects.rglob("*")) == before
    assert list((repository.top / ".git" / "orchestrion").glob("capture-*")) == []
