"""What a capture holds of a workspace, and what it does not change, with real git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import (
    CaptureFailed,
    GitUnavailable,
    GitWorkspace,
    baseline_ref,
    checkpoint_ref,
    find_git,
)
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, changed, opened

pytestmark = pytest.mark.anyio


async def test_a_directory_outside_every_repository_is_no_workspace(tmp_path: Path) -> None:
    Repository.init(tmp_path / "bare", "--bare")
    assert await GitWorkspace.open(tmp_path) is None
    assert await GitWorkspace.open(tmp_path / "nowhere") is None
    assert await GitWorkspace.open(tmp_path / "bare") is None


async def test_a_git_directory_is_no_workspace(repository: Repository) -> None:
    assert await GitWorkspace.open(repository.top / ".git") is None


async def test_without_git_the_error_names_the_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitUnavailable, match="install git") as raised:
        await find_git(str(tmp_path))
    assert raised.value.search_path == str(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitUnavailable):
        await GitWorkspace.open(tmp_path)


async def test_a_repository_that_git_refuses_is_an_error(repository: Repository) -> None:
    repository.git("config", "core.repositoryFormatVersion", "99")
    with pytest.raises(CaptureFailed, match="99"):
        await GitWorkspace.open(repository.top)


async def test_the_tree_has_untracked_files_and_no_ignored_ones(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\nbuild/\n")
    repository.write("tracked.txt", "one\n")
    repository.commit_all()
    repository.write("tracked.txt", "two\n")
    repository.write("untracked.txt", "new\n")
    repository.write("noise.log", "noise\n")
    repository.write("build/out", "out\n")
    repository.write(".git/info/exclude", "private.txt\n")
    repository.write("private.txt", "mine\n")
    (repository.top / "empty").mkdir()
    capture = await captured(repository.top)
    assert repository.contents(capture.tree) == {
        b".gitignore": b"*.log\nbuild/\n",
        b"tracked.txt": b"two\n",
        b"untracked.txt": b"new\n",
    }


async def test_the_users_global_ignore_file_counts(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ignore").write_text("*.global\n")
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path / 'ignore'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    repository.write("a.global", "ignored")
    repository.write("a.txt", "kept")
    capture = await captured(repository.top)
    assert repository.contents(capture.tree) == {b"a.txt": b"kept"}


async def test_an_ignored_file_is_captured_while_it_is_tracked(
    repository: Repository,
) -> None:
    repository.write(".gitignore", "*.log\n")
    repository.write("kept.log", "one\n")
    repository.write("gone.log", "one\n")
    repository.git("add", "-f", "kept.log", "gone.log")
    (repository.top / "gone.log").unlink()
    first = await captured(repository.top, 1)
    repository.git("rm", "-q", "--cached", "kept.log")
    second = await captured(repository.top, 2)
    assert repository.contents(first.tree) == {b".gitignore": b"*.log\n", b"kept.log": b"one\n"}
    assert repository.contents(second.tree) == {b".gitignore": b"*.log\n"}


async def test_a_file_that_becomes_ignored_leaves_the_next_tree(repository: Repository) -> None:
    repository.write("secret.env", "key\n")
    first = await captured(repository.top, 1)
    repository.write(".gitignore", "*.env\n")
    second = await captured(repository.top, 2)
    assert set(repository.contents(first.tree)) == {b"secret.env"}
    assert set(repository.contents(second.tree)) == {b".gitignore"}


async def test_users_own_files_are_unchanged(repository: Repository) -> None:
    repository.write("staged.txt", "one\n")
    repository.write("both.txt", "one\n")
    repository.commit_all()
    repository.write("both.txt", "stashed\n")
    repository.git("stash", "-q")
    repository.write("staged.txt", "staged\n")
    repository.git("add", "staged.txt")
    repository.write("staged.txt", "edited after staging\n")
    repository.write("new.txt", "untracked\n")
    repository.git("add", "-N", "new.txt")
    repository.git("config", "core.logAllRefUpdates", "always")
    for hook in ("post-index-change", "reference-transaction", "pre-commit", "post-commit"):
        repository.write(f".git/hooks/{hook}", f"#!/bin/sh\ntouch '{repository.top}/{hook}-ran'\n").chmod(0o755)
    before = repository.users_own()
    workspace = await opened(repository.top)
    one = await workspace.capture(baseline_ref(THREAD, 1), "baseline")
    two = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    await workspace.diff(one, two)
    assert repository.users_own() == before
    assert repository.contents(two.tree)[b"staged.txt"] == b"edited after staging\n"
    assert list((repository.top / ".git" / "orchestrion").glob("capture-*")) == []


async def test_the_hosts_git_variables_do_not_reach_git(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository.init(tmp_path / "other")
    repository.write("here.txt", "here\n")
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(other.top / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    capture = await captured(repository.top)
    monkeypatch.undo()
    assert repository.contents(capture.tree) == {b"here.txt": b"here\n"}


async def test_bytes_are_kept_as_they_are(repository: Repository) -> None:
    repository.git("config", "core.autocrlf", "true")
    repository.git("config", "filter.upper.clean", "tr a-z A-Z")
    repository.git("config", "filter.upper.required", "true")
    repository.write(
        ".gitattributes",
        "*.txt text=auto eol=crlf\n*.up filter=upper\n*.id ident\n*.u16 working-tree-encoding=UTF-16LE-BOM\n",
    )
    repository.write("lower.up", "lower\n")
    repository.git("add", "-A")
    repository.git("config", "core.safecrlf", "true")
    files = {
        b"crlf.txt": b"a\r\nb\nc\r\n",
        b"lower.up": b"lower\n",
        b"name.id": b"$Id: 0123 $\n",
        b"wide.u16": "wide\n".encode("utf-16"),
        b"deep/er.txt": b"\r\n",
    }
    for path, content in files.items():
        repository.write(path, content)
    repository.write("deep/.gitattributes", "*.txt text eol=lf filter=upper\n")
    capture = await captured(repository.top)
    contents = repository.contents(capture.tree)
    assert {path: contents[path] for path in files} == files


async def test_modes_links_and_unusual_names(repository: Repository) -> None:
    names = [b" spaced name ", b"new\nline", "höhe-日本".encode(), b"-leading", b":(top)magic", b"st*r", b'q"\\']
    names.append(b"not-utf8-\xff")
    for name in names:
        repository.write(name, b"x")
    repository.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    (repository.top / "link").symlink_to("run.sh")
    (repository.top / "dangling").symlink_to("nowhere/at all")
    (repository.top / "directory-link").symlink_to("..")
    os.mkfifo(repository.top / "pipe")
    listing = repository.listing((await captured(repository.top)).tree)
    assert {name: listing.pop(name) for name in names} == dict.fromkeys(names, ("100644", "blob", b"x"))
    assert listing == {
        b"run.sh": ("100755", "blob", b"#!/bin/sh\n"),
        b"link": ("120000", "blob", b"run.sh"),
        b"dangling": ("120000", "blob", b"nowhere/at all"),
        b"directory-link": ("120000", "blob", b".."),
    }


async def test_files_links_and_directories_take_each_others_place(repository: Repository) -> None:
    repository.write("a/inner", "inner")
    repository.write("b", "file")
    repository.write("target/x", "x")
    await captured(repository.top, 1)
    (repository.top / "a" / "inner").unlink()
    (repository.top / "a").rmdir()
    (repository.top / "a").symlink_to("target")
    (repository.top / "b").unlink()
    repository.write("b/deep/er", "deeper")
    second = await captured(repository.top, 2)
    assert repository.contents(second.tree) == {b"a": b"target", b"b/deep/er": b"deeper", b"target/x": b"x"}


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_an_empty_repository_without_a_commit(tmp_path: Path, object_format: str) -> None:
    repository = Repository.init(tmp_path / "empty", f"--object-format={object_format}")
    before = repository.users_own()
    first = await captured(repository.top, 1)
    assert repository.users_own() == before
    repository.write("a", "a")
    second = await captured(repository.top, 2)
    assert repository.contents(first.tree) == {}
    assert repository.contents(second.tree) == {b"a": b"a"}
    assert repository.git("log", "--format=%an <%ae>%n%cn <%ce>%n%P%n%s", second.commit).splitlines() == [
        b"Orchestrion <orchestrion@localhost>",
        b"Orchestrion <orchestrion@localhost>",
        b"",
        b"turn 2",
    ]


async def test_linked_worktree_has_separate_captures(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "main\n")
    repository.commit_all()
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repository(tmp_path / "side")
    side.write("a", "side\n")
    before = repository.users_own(), side.users_own()
    in_main, in_side = await captured(repository.top, 1), await captured(side.top, 2)
    assert (repository.users_own(), side.users_own()) == before
    assert repository.contents(in_main.tree) == {b"a": b"main\n"}
    assert repository.contents(in_side.tree) == {b"a": b"side\n"}
    assert await (await opened(repository.top)).existing(in_side.ref) == in_side


async def test_a_subdirectory_is_captured_alone_under_its_path_from_the_top(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\n")
    repository.write("outside.txt", "outside\n")
    repository.write("sub dir/inner.txt", "one\n")
    repository.commit_all()
    repository.write("sub dir/noise.log", "noise\n")
    workspace = await opened(repository.top / "sub dir")
    first = await workspace.capture(baseline_ref(THREAD, 1), "start")
    repository.write("sub dir/inner.txt", "two\n")
    repository.write("outside.txt", "changed\n")
    second = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    assert repository.contents(second.tree) == {b"sub dir/inner.txt": b"two\n"}
    diff = await workspace.diff(first, second)
    assert diff.files == (changed("sub dir/inner.txt", "modified", 1, 1),)
    whole = await captured(repository.top, 2)
    assert set(repository.contents(whole.tree)) == {b".gitignore", b"outside.txt", b"sub dir/inner.txt"}


@pytest.mark.parametrize("ignored", [True, False])
async def test_an_empty_or_ignored_subdirectory_is_an_empty_tree(repository: Repository, ignored: bool) -> None:
    repository.write(".gitignore", "sub/\n" if ignored else "")
    (repository.top / "sub").mkdir()
    if ignored:
        repository.write("sub/file", "ignored")
    capture = await captured(repository.top / "sub")
    assert repository.contents(capture.tree) == {}


async def test_nested_repositories_are_recorded_by_their_commit(repository: Repository, tmp_path: Path) -> None:
    library = Repository.init(tmp_path / "library")
    library.write("lib.c", "int x;\n")
    library.commit_all()
    repository.git("submodule", "add", "-q", str(library.top), "module")
    repository.git("config", "-f", ".gitmodules", "submodule.module.ignore", "all")
    repository.commit_all()
    nested = Repository.init(repository.top / "nested")
    nested.write("x", "x")
    nested.commit_all()
    Repository.init(repository.top / "unborn").write("y", "y")
    repository.write("broken/.git", "gitdir: /nowhere/at/all\n")
    repository.write("broken/file", "plain")
    before = repository.users_own()
    workspace = await opened(repository.top)
    first = await workspace.capture(baseline_ref(THREAD, 1), "start")
    assert repository.users_own() == before
    module, head = Repository(repository.top / "module"), nested.git("rev-parse", "HEAD").strip()
    listing = repository.listing(first.tree)
    assert listing.pop(b"module") == ("160000", "commit", module.git("rev-parse", "HEAD").strip())
    assert listing.pop(b"nested") == ("160000", "commit", head)
    assert set(listing) == {b".gitmodules", b"broken/file"}

    module.git("-c", "user.name=U", "-c", "user.email=u@e", "commit", "-q", "--allow-empty", "-m", "moved")
    (nested.top / ".git").rename(tmp_path / "moved-away")
    second = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    listing = repository.listing(second.tree)
    assert listing.pop(b"module") == ("160000", "commit", module.git("rev-parse", "HEAD").strip())
    assert listing.pop(b"nested/x") == ("100644", "blob", b"x")
    assert set(listing) == {b".gitmodules", b"broken/file"}
    assert "Subproject commit" in (await workspace.diff(first, second)).text


async def test_a_submodule_can_be_the_workspace(repository: Repository, tmp_path: Path) -> None:
    library = Repository.init(tmp_path / "library")
    library.write("lib.c", "int x;\n")
    library.commit_all()
    repository.git("submodule", "add", "-q", str(library.top), "module")
    capture = await captured(repository.top / "module")
    assert Repository(repository.top / "module").contents(capture.tree) == {b"lib.c": b"int x;\n"}
