"""Captures of a git workspace, against real git: what they hold, and what they leave alone."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.workspace import (
    Capture,
    CaptureFailed,
    DiffLimits,
    GitUnavailable,
    GitWorkspace,
    baseline_ref,
    checkpoint_ref,
    find_git,
)
from orchestrion.runtime.contracts.ids import CheckpointRef, ThreadId, identifier_fault
from orchestrion.runtime.contracts.values import ChangedFile, Count, FileChangeKind, Label
from tests.support.git import Repository

pytestmark = pytest.mark.anyio

THREAD = ThreadId("thread-1")


@pytest.fixture(autouse=True)
def _only_the_repository_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.init(tmp_path / "work")


async def opened(path: Path) -> GitWorkspace:
    workspace = await GitWorkspace.open(path)
    assert workspace is not None
    return workspace


async def captured(path: Path, turn_count: int = 1) -> Capture:
    workspace = await opened(path)
    return await workspace.capture(checkpoint_ref(THREAD, turn_count), f"turn {turn_count}")


def changed(path: str, kind: FileChangeKind, additions: int, deletions: int) -> ChangedFile:
    return ChangedFile(path=Label(path), kind=kind, additions=Count(additions), deletions=Count(deletions))


async def test_a_directory_outside_every_repository_is_no_workspace(tmp_path: Path) -> None:
    Repository.init(tmp_path / "bare", "--bare")
    assert await GitWorkspace.open(tmp_path) is None
    assert await GitWorkspace.open(tmp_path / "nowhere") is None
    assert await GitWorkspace.open(tmp_path / "bare") is None


async def test_a_git_directory_is_no_workspace(repository: Repository) -> None:
    assert await GitWorkspace.open(repository.top / ".git") is None


async def test_without_git_the_error_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


async def test_an_ignored_file_that_is_tracked_is_in_the_tree_while_it_is_tracked(
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


async def test_what_is_the_users_own_stays_as_it_is(repository: Repository) -> None:
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


async def test_a_linked_worktree_has_captures_of_its_own(repository: Repository, tmp_path: Path) -> None:
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


async def test_a_capture_anew_displaces_one_with_its_message_and_is_the_same_where_nothing_changed(
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


async def test_a_capture_anew_that_cannot_be_recorded_is_not_answered_with_the_old_one(repository: Repository) -> None:
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


async def test_a_capture_that_cannot_be_written_says_why(repository: Repository) -> None:
    repository.write("a", "a\n")
    repository.write(".git/orchestrion", "a file in the way")
    with pytest.raises(CaptureFailed, match="orchestrion") as raised:
        await captured(repository.top)
    assert raised.value.fault


async def test_a_file_in_the_way_of_the_ref_is_reported_in_gits_words(repository: Repository) -> None:
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
    hurried = type(workspace)(git=workspace._git, layout=workspace._layout, deadline=0.0)
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


async def test_the_diff_is_what_git_prints(repository: Repository) -> None:
    long = "".join(f"line {number}\n" for number in range(40))
    repository.write(".gitattributes", "*.py diff=python\n*.shown diff=shown\n")
    repository.git("config", "diff.shown.textconv", "rev")
    repository.write("edited.py", "def f():\n    return 1\n\n\n" + long)
    repository.write("moved.txt", long)
    repository.write("gone.txt", "a\nb\n")
    repository.write("binary", b"\0\1\2")
    repository.write("script", "run\n")
    repository.write("kind", "file\n")
    repository.write("a.shown", "abc\n")
    repository.write("latin", b"caf\xe9\n")
    repository.write("unended", "one")
    repository.commit_all()
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    repository.write("edited.py", "def f():\n    return 1\n\n\n" + long.replace("line 30\n", "line thirty\nand more\n"))
    (repository.top / "moved.txt").rename(repository.top / "neu ü\n.txt")
    repository.write("neu ü\n.txt", long + "added\n")
    (repository.top / "gone.txt").unlink()
    repository.write("binary", b"\0\1\3\4")
    (repository.top / "script").chmod(0o755)
    (repository.top / "kind").unlink()
    (repository.top / "kind").symlink_to("elsewhere")
    repository.write("a.shown", "abd\n")
    repository.write("latin", b"th\xe9\n")
    repository.write("new.txt", "x\ny\n")
    repository.write("unended", "two")
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    diff = await workspace.diff(start, end)
    plain = repository.git("diff", "--no-ext-diff", "--no-textconv", start.commit, end.commit)
    assert diff.text.encode() == plain.decode("utf-8", "replace").encode()
    assert "rename to" in diff.text
    assert "Binary files" in diff.text
    assert set(diff.files) == {
        changed("edited.py", "modified", 2, 1),
        changed("neu ü\n.txt", "renamed", 1, 0),
        changed("gone.txt", "deleted", 0, 2),
        changed("binary", "modified", 0, 0),
        changed("script", "modified", 0, 0),
        changed("kind", "modified", 1, 1),
        changed("a.shown", "modified", 1, 1),
        changed("latin", "modified", 1, 1),
        changed("new.txt", "added", 2, 0),
        changed("unended", "modified", 1, 1),
    }
    assert len(diff.files) == 10


async def test_the_users_taste_in_diffs_does_not_change_ours(repository: Repository) -> None:
    repository.write("a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n")
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    repository.write("a", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n")
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    plain = repository.git("diff", start.commit, end.commit).decode()
    for name, text in (
        ("diff.noprefix", "true"),
        ("diff.context", "0"),
        ("diff.external", "false"),
        ("color.ui", "always"),
    ):
        repository.git("config", name, text)
    assert (await workspace.diff(start, end)).text == plain
    unchanged = await workspace.diff(end, end)
    assert (unchanged.text, unchanged.files) == ("", ())


async def test_a_diff_is_cut_at_its_bounds_with_a_marker(repository: Repository) -> None:
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    for name in "abcde":
        repository.write(name, f"{name}\n" * 5000)
    end = await workspace.capture(checkpoint_ref(THREAD, 1), "end")
    plain = repository.git("diff", start.commit, end.commit).decode()
    whole = await workspace.diff(start, end)
    assert (whole.text, whole.is_cut, whole.changed_files, len(whole.files)) == (plain, False, 5, 5)
    cut = await workspace.diff(start, end, DiffLimits(text_bytes=20_001, files=2))
    *lines, marker = cut.text.splitlines(keepends=True)
    assert marker == "# The diff is cut here: it is longer than 20001 bytes\n"
    assert plain.startswith("".join(lines))
    assert 19_900 < len("".join(lines)) <= 20_001
    assert (cut.is_cut, cut.changed_files, [file.path for file in cut.files]) == (True, 5, ["a", "b"])


async def test_a_diff_of_a_capture_that_is_gone_is_an_error(repository: Repository) -> None:
    workspace = await opened(repository.top)
    start = await workspace.capture(baseline_ref(THREAD, 1), "start")
    gone = Capture(ref=checkpoint_ref(THREAD, 9), commit="1" * 40, tree="1" * 40, message="gone", place="")
    with pytest.raises(CaptureFailed, match="1111"):
        await workspace.diff(start, gone)


@pytest.mark.parametrize(
    ("thread_id", "component"),
    [("a", "YQ"), ("thread/ü?>", "dGhyZWFkL8O8Pz4"), ("\N{GRINNING FACE}" * 200, "sha256."), ("x" * 200, "sha256.")],
)
async def test_refs_name_any_thread(repository: Repository, thread_id: str, component: str) -> None:
    refs = [make(ThreadId(thread_id), 10**18) for make in (checkpoint_ref, baseline_ref)]
    assert [ref.rsplit("/", 2)[1] for ref in refs] == ["turn", "baseline"]
    for ref in refs:
        assert ref.startswith(f"refs/orchestrion/checkpoints/{component}")
        assert identifier_fault(ref) is None
        repository.git("check-ref-format", ref)
