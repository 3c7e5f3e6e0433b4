"""Restoring a capture with real git: what is written, what is left alone, and that nothing is lost.

One long module: all of its tests share the helpers at the top.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import (
    Capture,
    CaptureLimits,
    GitWorkspace,
    Restored,
    RestoreFailed,
    RestoreRefused,
    checkpoint_ref,
    safety_ref,
    shadow_home,
    thread_component,
)
from orchestrion.contracts.ids import CheckpointRef
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = pytest.mark.anyio

INTENT = "0193-intent"


def safety(attempt: int) -> CheckpointRef:
    return safety_ref(THREAD, INTENT, attempt)


async def restored(path: Path, target: Capture) -> tuple[Capture, Restored]:
    return await (await opened(path)).restore(target, safety, "before the revert")


def files(top: Path) -> dict[str, bytes]:
    """Every file and link of the work tree, without `.git`."""
    found = {}
    for path in top.rglob("*"):
        if ".git" not in path.relative_to(top).parts and (path.is_symlink() or path.is_file()):
            name = str(path.relative_to(top))
            found[name] = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    return found


async def test_files_come_back_with_their_bytes_modes_and_names(repository: Repository) -> None:
    repository.git("config", "core.autocrlf", "true")
    repository.write(".gitattributes", "*.txt text eol=crlf\n")
    repository.write("text.txt", b"a\r\nb\n")
    repository.write("sub/deep/er.bin", b"\0\1\xff")
    repository.write("run.sh", "run\n").chmod(0o755)
    (repository.top / "link").symlink_to("run.sh")
    repository.write(b"odd \n\xff name", b"odd")
    repository.commit_all()
    target = await captured(repository.top)
    before = files(repository.top)
    repository.write("text.txt", "changed")
    (repository.top / "sub" / "deep" / "er.bin").unlink()
    (repository.top / "sub" / "deep").rmdir()
    (repository.top / "run.sh").chmod(0o644)
    (repository.top / "link").unlink()
    repository.write("link", "a file now")
    repository.write("new/and/deep", "new")
    kept, outcome = await restored(repository.top, target)
    assert files(repository.top) == before
    assert os.access(repository.top / "run.sh", os.X_OK)
    assert not (repository.top / "new").exists()
    assert (outcome.written, outcome.removed, outcome.left_alone) == (4, 1, ())
    assert repository.contents(kept.tree)[b"new/and/deep"] == b"new"
    assert repository.git("status", "--porcelain") == b""


async def test_only_files_are_written(repository: Repository) -> None:
    repository.write("a", "one\n")
    repository.commit_all()
    target = await captured(repository.top)
    repository.write("a", "staged\n")
    repository.git("add", "a")
    repository.git("config", "core.logAllRefUpdates", "always")
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        repository.write(f".git/hooks/{hook}", f"#!/bin/sh\ntouch '{repository.top}/{hook}-ran'\n").chmod(0o755)
    before = {name: fact for name, fact in repository.users_own().items() if name not in ("files", "status")}
    await restored(repository.top, target)
    after = {name: fact for name, fact in repository.users_own().items() if name not in ("files", "status")}
    assert after == before
    assert files(repository.top) == {"a": b"one\n"}


async def test_ignored_files_stay(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\nbuild/\n")
    repository.write("a", "one\n")
    target = await captured(repository.top)
    repository.write("a", "two\n")
    repository.write("noise.log", "noise")
    repository.write("build/out", "out")
    await restored(repository.top, target)
    assert files(repository.top) == {
        ".gitignore": b"*.log\nbuild/\n",
        "a": b"one\n",
        "noise.log": b"noise",
        "build/out": b"out",
    }


async def test_files_ignored_by_the_target_stay_even_if_captured_now(repository: Repository) -> None:
    repository.write(".gitignore", "node_modules/\n")
    repository.write("sub/.gitignore", "*.tmp\n")
    repository.write("node_modules/library/index.js", "code")
    repository.write("sub/kept.tmp", "kept")
    target = await captured(repository.top)
    (repository.top / ".gitignore").unlink()
    (repository.top / "sub" / ".gitignore").unlink()
    repository.write("added.txt", "added")
    await restored(repository.top, target)
    assert set(files(repository.top)) == {
        ".gitignore",
        "sub/.gitignore",
        "node_modules/library/index.js",
        "sub/kept.tmp",
    }


async def test_overwritten_files_are_captured_first(repository: Repository) -> None:
    repository.write("secret.env", "then\n")
    repository.write("place", "a file\n")
    repository.write("deep/er/file", "deep\n")
    target = await captured(repository.top)
    (repository.top / "place").unlink()
    repository.write(".gitignore", "*.env\nplace/\ndeep\n")
    repository.write("secret.env", "now, and ignored\n")
    repository.write("place/inner/ignored", "inner\n")
    (repository.top / "deep" / "er" / "file").unlink()
    (repository.top / "deep" / "er").rmdir()
    (repository.top / "deep").rmdir()
    repository.write("deep", "a file, ignored\n")
    kept, _ = await restored(repository.top, target)
    assert files(repository.top) == {"secret.env": b"then\n", "place": b"a file\n", "deep/er/file": b"deep\n"}
    assert repository.contents(kept.tree) == {
        b".gitignore": b"*.env\nplace/\ndeep\n",
        b"secret.env": b"now, and ignored\n",
        b"place/inner/ignored": b"inner\n",
        b"deep": b"a file, ignored\n",
    }
    _, outcome = await (await opened(repository.top)).restore(kept, lambda n: safety_ref(THREAD, "back", n), "back")
    assert outcome.left_alone == ()
    assert files(repository.top) == {
        ".gitignore": b"*.env\nplace/\ndeep\n",
        "secret.env": b"now, and ignored\n",
        "place/inner/ignored": b"inner\n",
        "deep": b"a file, ignored\n",
    }


async def test_nothing_is_written_through_a_symbolic_link(repository: Repository, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("not ours\n")
    repository.write("dir/file", "ours\n")
    target = await captured(repository.top)
    (repository.top / "dir" / "file").unlink()
    (repository.top / "dir").rmdir()
    (repository.top / "dir").symlink_to(outside)
    await restored(repository.top, target)
    assert files(repository.top) == {"dir/file": b"ours\n"}
    assert (outside / "file").read_text() == "not ours\n"


async def test_a_nested_repository_is_left_alone_or_refused(repository: Repository) -> None:
    repository.write("a", "one\n")
    repository.write("plain/x", "x\n")
    nested = Repository.init(repository.top / "nested")
    nested.write("inner", "1\n")
    nested.commit_all()
    target = await captured(repository.top)
    nested.write("inner", "2\n")
    nested.commit_all()
    repository.write("a", "two\n")
    _, outcome = await restored(repository.top, target)
    assert outcome.left_alone == ("nested",)
    assert (nested.top / "inner").read_text() == "2\n"
    assert (repository.top / "a").read_text() == "one\n"

    (repository.top / "plain" / "x").unlink()
    await captured(repository.top, 2)
    inside = Repository.init(repository.top / "plain")
    inside.write("x", "of a repository of its own now\n")
    inside.commit_all()
    repository.write("a", "three\n")
    with pytest.raises(RestoreRefused, match="plain"):
        await restored(repository.top, target)
    assert (repository.top / "a").read_text() == "three\n"
    assert (inside.top / "x").read_text() == "of a repository of its own now\n"


async def test_path_that_is_no_file_is_not_replaced(repository: Repository) -> None:
    repository.write("a", "one\n")
    repository.write("b", "one\n")
    target = await captured(repository.top)
    (repository.top / "a").unlink()
    os.mkfifo(repository.top / "a")
    repository.write("b", "two\n")
    with pytest.raises(RestoreRefused, match="'a' is no file"):
        await restored(repository.top, target)
    assert (repository.top / "b").read_text() == "two\n"


async def test_a_second_attempt_keeps_the_first_safety_capture(repository: Repository) -> None:
    repository.write("a", "one\n")
    target = await captured(repository.top)
    repository.write("a", "two\n")
    first, _ = await restored(repository.top, target)
    again, outcome = await restored(repository.top, target)
    assert again == first
    assert (outcome.written, outcome.removed) == (0, 0)
    repository.write("a", "edited between the attempts\n")
    third, _ = await restored(repository.top, target)
    assert third == first
    workspace = await opened(repository.top)
    trees = {}
    for kept in await workspace.refs():
        if kept.name.kind == "safety":
            trees[kept.ref] = repository.contents(kept.tree)
    assert trees == {safety(1): {b"a": b"two\n"}, safety(2): {b"a": b"edited between the attempts\n"}}
    assert files(repository.top) == {"a": b"one\n"}


async def test_a_restore_that_fails_half_way_names_what_keeps_the_files(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("a", "one\n")
    target = await captured(repository.top)
    repository.write("a", "two\n")
    workspace = await opened(repository.top)
    repository.git("update-ref", "-d", target.ref)
    blob = repository.git("rev-parse", f"{target.tree}:a").decode().strip()

    async def delete_what_is_to_be_written(_: object) -> None:
        (repository.top / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(RestoreFailed, match="refs/orchestrion/safety/") as raised:
        await workspace.restore(target, safety, "before", approve=delete_what_is_to_be_written)
    assert raised.value.safety_ref == safety(1)
    assert (await workspace.existing(safety(1))) is not None


async def test_a_subdirectory_is_restored_alone(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\n")
    repository.write("sub/a", "one\n")
    repository.write("outside", "one\n")
    target = await captured(repository.top / "sub")
    repository.write("sub/a", "two\n")
    repository.write("sub/new", "new\n")
    repository.write("sub/kept.log", "log\n")
    repository.write("outside", "two\n")
    await restored(repository.top / "sub", target)
    assert files(repository.top) == {
        ".gitignore": b"*.log\n",
        "sub/a": b"one\n",
        "sub/kept.log": b"log\n",
        "outside": b"two\n",
    }


@pytest.mark.lesson("L19")
async def test_a_capture_of_another_place_in_the_repository_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.write("a/file", "in a\n")
    repository.write("b/file", "in b\n")
    repository.commit_all()
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
    target = await captured(repository.top / "a")
    before = files(repository.top)
    for place in (repository.top / "b", repository.top, tmp_path / "tree" / "a"):
        with pytest.raises(RestoreRefused, match="captured at another place"):
            await restored(place, target)
    assert files(repository.top) == before
    assert [one.name.kind for one in await (await opened(repository.top)).refs()] == ["turn"]
    repository.top.rename(tmp_path / "moved")
    (tmp_path / "moved" / "a" / "file").write_text("edited\n")
    await restored(tmp_path / "moved" / "a", target)
    assert (tmp_path / "moved" / "a" / "file").read_text() == "in a\n"


async def test_an_emptied_workspace_stays_a_directory(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "work")
    target = await captured(repository.top)
    repository.write("a/b/c", "c")
    await restored(repository.top, target)
    assert files(repository.top) == {}
    assert repository.top.is_dir()
    assert not (repository.top / "a").exists()


class TestLargeFiles:
    limits = CaptureLimits(file_bytes=1000)

    async def test_note_replaces_the_content(self, repository: Repository) -> None:
        repository.write("grows", "small\n")
        repository.write("large", b"x" * 2000)
        workspace = await opened(repository.top, limits=self.limits)
        start = await workspace.capture(checkpoint_ref(THREAD, 1), "start")
        contents = repository.contents(start.tree)
        assert contents[b"large"].startswith(b"orchestrion: the content of this file was not captured\nsize 2000 bytes")
        repository.write("grows", b"y" * 3000)
        end = await workspace.capture(checkpoint_ref(THREAD, 2), "end")
        assert b"size 3000 bytes" in repository.contents(end.tree)[b"grows"]
        assert repository.contents(end.tree)[b"large"] == contents[b"large"]
        assert [file.path for file in (await workspace.diff(start, end)).files] == ["grows"]
        repository.write("large", "small now\n")
        third = await workspace.capture(checkpoint_ref(THREAD, 3), "shrunk")
        assert repository.contents(third.tree)[b"large"] == b"small now\n"

    async def test_a_diff_lists_them_without_lines_and_its_text_shows_the_note(self, repository: Repository) -> None:
        repository.write("grows", "small\n" * 5)
        repository.write("shrinks", b"x" * 2000)
        repository.write("goes", b"x" * 3000)
        repository.write("moves", b"m" * 4000)
        workspace = await opened(repository.top, limits=self.limits)
        start = await workspace.capture(checkpoint_ref(THREAD, 1), "start")
        repository.write("grows", b"y" * 2000)
        repository.write("shrinks", "small now\n")
        (repository.top / "goes").unlink()
        (repository.top / "moves").rename(repository.top / "moved")
        repository.write("comes", b"z" * 3000)
        repository.write("plain", "one\n")
        end = await workspace.capture(checkpoint_ref(THREAD, 2), "end")
        diff = await workspace.diff(start, end)
        assert [(file.path, file.kind, file.additions, file.deletions) for file in diff.files] == [
            ("comes", "added", 0, 0),
            ("goes", "deleted", 0, 0),
            ("grows", "modified", 0, 0),
            ("moved", "renamed", 0, 0),
            ("plain", "added", 1, 0),
            ("shrinks", "modified", 0, 0),
        ]
        assert (diff.changed_files, diff.noted_files) == (6, 5)
        assert diff.text == repository.git("diff", start.commit, end.commit).decode()
        assert "+orchestrion: the content of this file was not captured\n+size 2000 bytes\n" in diff.text

    async def test_they_are_left_alone_unless_captured_first(self, repository: Repository) -> None:
        repository.write("grows", "small\n")
        repository.write("large", b"x" * 2000)
        workspace = await opened(repository.top, limits=self.limits)
        target = await workspace.capture(checkpoint_ref(THREAD, 1), "start")
        repository.write("grows", b"y" * 3000)
        repository.write("large", b"z" * 4000)
        repository.write("came", b"c" * 5000)
        kept, outcome = await workspace.restore(target, safety, "before")
        assert outcome.left_alone == ("came", "large")
        assert files(repository.top) == {"grows": b"small\n", "large": b"z" * 4000, "came": b"c" * 5000}
        assert repository.contents(kept.tree)[b"grows"] == b"y" * 3000


class TestShadow:
    async def test_captures_of_a_plain_directory_are_next_to_the_database(self, tmp_path: Path) -> None:
        database, top = tmp_path / "data" / "state.db", tmp_path / "plain"
        database.parent.mkdir()
        (top / "sub").mkdir(parents=True)
        (top / "a").write_bytes(b"one\r\n")
        workspace = await opened(top, database=database)
        start = await workspace.capture(checkpoint_ref(THREAD, 1), "start")
        (top / "a").write_text("two\n")
        (top / "sub" / "b").write_text("b\n")
        end = await workspace.capture(checkpoint_ref(THREAD, 2), "end")
        diff = await workspace.diff(start, end)
        assert [(file.path, file.kind) for file in diff.files] == [("a", "modified"), ("sub/b", "added")]
        await (await opened(top, database=database)).restore(start, safety, "before")
        assert files(top) == {"a": b"one\r\n"}
        assert [path.name for path in top.iterdir()] == ["a"]
        (place,) = shadow_home(database).iterdir()
        assert (place / "workspace").read_bytes() == os.fsencode(top)

    async def test_without_a_database_there_is_none(self, tmp_path: Path) -> None:
        assert await GitWorkspace.open(tmp_path) is None

    async def test_a_directory_that_is_too_large_is_refused(self, tmp_path: Path) -> None:
        for number in range(4):
            (tmp_path / f"file-{number}").write_text("x")
        limits = CaptureLimits(shadow_files=3)
        workspace = await opened(tmp_path, limits=limits, database=tmp_path / "elsewhere.db")
        with pytest.raises(Exception, match="make it a git repository"):
            await workspace.capture(checkpoint_ref(THREAD, 1), "start")

    @pytest.mark.parametrize("in_git", [True, False])
    async def test_the_database_in_its_own_workspace_is_left_out(self, tmp_path: Path, in_git: bool) -> None:
        top = tmp_path / "work"
        top.mkdir()
        if in_git:
            Repository.init(top).write(".gitignore", "!*.db\n")
        database = top / "my [state].db"
        for name in ("my [state].db", "my [state].db-wal", "my [state].db.lock", "other.db"):
            (top / name).write_text("then")
        if in_git:
            Repository(top).commit_all()
        workspace = await opened(top, database=database)
        target = await workspace.capture(checkpoint_ref(THREAD, 1), "start")
        for name in ("my [state].db", "my [state].db-wal", "other.db"):
            (top / name).write_text("now")
        await workspace.restore(target, safety, "before")
        assert database.read_text() == "now"
        assert (top / "my [state].db-wal").read_text() == "now"
        assert (top / "other.db").read_text() == "then"


async def test_refs_are_listed_and_pruned_with_the_bytes_they_kept(repository: Repository) -> None:
    repository.write("a", os.urandom(5000))
    repository.commit_all()
    workspace = await opened(repository.top)
    one = await workspace.capture(checkpoint_ref(THREAD, 1), "one")
    repository.write("b", os.urandom(20_000))
    two = await workspace.capture(checkpoint_ref(THREAD, 2), "two")
    await workspace.restore(one, safety, "before")
    listed = await workspace.refs()
    assert [(kept.name.kind, kept.name.turn_count, kept.tree) for kept in listed] == [
        ("turn", 1, one.tree),
        ("turn", 2, two.tree),
        ("safety", None, two.tree),
    ]
    assert {kept.name.thread for kept in listed} == {thread_component(THREAD)}
    assert await workspace.prune([two.ref]) < 1000
    assert await workspace.prune([safety(1)]) > 20_000
    assert [kept.ref for kept in await workspace.refs()] == [one.ref]
    assert await workspace.prune([two.ref]) == 0


async def test_a_shadow_repository_gives_its_bytes_back_at_once(tmp_path: Path) -> None:
    database, top = tmp_path / "state.db", tmp_path / "plain"
    top.mkdir()
    (top / "a").write_bytes(os.urandom(50_000))
    workspace = await opened(top, database=database)
    one = await workspace.capture(checkpoint_ref(THREAD, 1), "one")

    def size() -> int:
        return sum(path.stat().st_size for path in shadow_home(database).rglob("*") if path.is_file())

    before = size()
    assert await workspace.prune([one.ref]) > 50_000
    assert size() < before - 50_000


@pytest.mark.lesson("L65")
async def test_ignore_rules_behind_links_do_not_stop_a_restore(repository: Repository, tmp_path: Path) -> None:
    repository.write("x/a", "one\n")
    repository.write("x/y/.gitignore", "*.log\n")
    repository.write("x/y/b", "two\n")
    (repository.top / "x" / ".gitignore").symlink_to("y")
    repository.commit_all()
    nested = Repository.init(repository.top / "x" / "nested")
    nested.commit_all()
    first, first_files = await captured(repository.top, 1), files(repository.top)
    (repository.top / "x" / ".gitignore").unlink()
    repository.write("x/.gitignore/rules", "a directory now\n")
    workspace = await opened(repository.top)
    kept, _ = await workspace.restore(first, safety, "before")
    await workspace.restore(kept, lambda n: safety_ref(THREAD, "back", n), "back")
    (repository.top / "x").rename(repository.top / "z")
    (repository.top / "x").symlink_to("z")
    second, second_files = await captured(repository.top, 2), files(repository.top)
    (repository.top / "x").unlink()
    (repository.top / "x").symlink_to("x")
    (repository.top / "z").rename(repository.top / ".gitignore")
    (repository.top / "z").symlink_to(tmp_path)
    await captured(repository.top, 3)
    for number, (target, standing) in enumerate([(first, first_files), (second, second_files)] * 2):
        await workspace.restore(target, partial(safety_ref, THREAD, f"to-{number}"), "back")
        assert {path: fact for path, fact in files(repository.top).items() if "nested" not in path} == standing


@pytest.mark.lesson("L65")
async def test_restore_after_pruning_reads_the_workspace_again(tmp_path: Path) -> None:
    database, top = tmp_path / "state.db", tmp_path / "plain"
    top.mkdir()
    (top / "a").write_text("one\n")
    workspace = await opened(top, database=database)
    target = await workspace.capture(checkpoint_ref(THREAD, 1), "one")
    (top / "a").write_text("two\n")
    (top / "b").write_text("of a capture that is pruned\n")
    pruned = await workspace.capture(checkpoint_ref(THREAD, 2), "two")
    await workspace.prune([pruned.ref])
    kept, _ = await workspace.restore(target, safety, "before")
    assert files(top) == {"a": b"one\n"}
    await workspace.restore(kept, lambda n: safety_ref(THREAD, "back", n), "back")
    assert files(top) == {"a": b"two\n", "b": b"of a capture that is pruned\n"}
