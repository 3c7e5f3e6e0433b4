"""Random work in a random repository: capture, more work, restore, and every file is as captured.

Directories become links and links directories: to their former content, to the outside, to themselves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import anyio
import attrs
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from orchestrion.actors.checkpoints.git import GitWorkspace, RestoreRefused, checkpoint_ref, safety_ref
from orchestrion.contracts.ids import ThreadId
from tests.support.examples import PROCESSES, examples
from tests.support.git import Repository

THREAD = ThreadId("thread")

NAMES = [b"a", b"b", b"c.log", b"build", b"d e", b"\xff\n", ":(top)ü".encode(), b"-f", b".gitignore", b"st*r"]
CONTENTS = [b"", b"one\n", b"two\r\nlines\r\n", b"\0\1\2", b"*.log\n", b"build/\n!c.log\n", b"a\n/b\n", b"x" * 3000]

names = st.sampled_from(NAMES)
paths = st.lists(names, min_size=1, max_size=3).map(b"/".join)


@attrs.frozen
class Work:
    """One change that a user makes in a work tree, with the parts of (path, other path, content) that it needs."""

    what: Literal["write", "link", "outside", "swap", "mode", "remove", "move", "stage", "commit", "untrack", "nest"]
    path: bytes
    other: bytes
    content: bytes


works = st.lists(
    st.builds(
        Work,
        st.sampled_from(
            [
                *("write", "write", "write", "write", "link", "outside", "swap", "swap"),
                *("mode", "remove", "move", "stage", "commit", "untrack", "nest"),
            ]
        ),
        paths,
        paths,
        st.sampled_from(CONTENTS),
    ),
    max_size=14,
)


def do(repository: Repository, work: Work) -> None:
    """Perform it, making room first: a user may replace anything by anything. What git refuses is left out."""
    place, other = _place(repository, work.path), _place(repository, work.other)
    match work.what:
        case "write":
            _make_room(repository, work.path)
            _write(place, work.content)
        case "link":
            _make_room(repository, work.path)
            os.symlink(os.path.basename(other), place)
        case "outside":
            _make_room(repository, work.path)
            os.symlink(os.path.join(os.fsencode(repository.top.parent), b"outside"), place)
        case "swap" if os.path.lexists(place) and not _overlap(work.path, work.other):
            _make_room(repository, work.other)
            if os.path.lexists(place):
                os.rename(place, other)
                os.symlink(os.path.relpath(other, os.path.dirname(place)), place)
        case "mode" if os.path.isfile(place) and not os.path.islink(place):
            os.chmod(place, os.stat(place).st_mode ^ 0o111)
        case "remove" if os.path.lexists(place):
            _remove(place)
        case "move" if os.path.lexists(place) and not _overlap(work.path, work.other):
            _make_room(repository, work.other)
            if os.path.lexists(place):
                os.rename(place, other)
        case "stage":
            with suppress(subprocess.CalledProcessError):
                repository.git("add", "-A")
        case "commit":
            with suppress(subprocess.CalledProcessError):
                repository.commit_all()
        case "nest":
            _make_room(repository, work.path)
            nested = Repository.init(Path(os.fsdecode(place)))
            nested.write("inner", work.content)
            nested.commit_all()
        case "untrack":
            with suppress(subprocess.CalledProcessError):
                repository.git("rm", "-r", "-q", "--cached", "--ignore-unmatch", ".")
        case _:
            pass


def _write(place: bytes, content: bytes) -> None:
    with open(place, "wb") as file:
        file.write(content)


def _place(repository: Repository, path: bytes) -> bytes:
    return os.path.join(os.fsencode(repository.top), path)


def _overlap(one: bytes, other: bytes) -> bool:
    return (one + b"/").startswith(other + b"/") or (other + b"/").startswith(one + b"/")


def _make_room(repository: Repository, path: bytes) -> None:
    parts = path.split(b"/")
    for depth in range(1, len(parts)):
        parent = _place(repository, b"/".join(parts[:depth]))
        if os.path.lexists(parent) and (os.path.islink(parent) or not os.path.isdir(parent)):
            os.unlink(parent)
        os.makedirs(parent, exist_ok=True)
    _remove(_place(repository, path))


def _remove(place: bytes) -> None:
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(place)
    elif os.path.lexists(place):
        os.unlink(place)


def standing(repository: Repository) -> dict[bytes, tuple[str, bytes]]:
    """Every file of the work tree: its mode in git's notation, and its bytes."""
    root = os.fsencode(repository.top)
    found = {}
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name != b".git"]
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in (*files, *links):
            place = os.path.join(directory, name)
            path = os.path.relpath(place, root)
            if os.path.islink(place):
                found[path] = ("120000", os.readlink(place))
            else:
                mode = "100755" if os.stat(place).st_mode & 0o100 else "100644"
                with open(place, "rb") as file:
                    found[path] = (mode, file.read())
    return found


def files_of(repository: Repository, tree: str) -> dict[bytes, tuple[str, bytes]]:
    """The files of a capture in the form of `standing`, without nested repositories."""
    listing = repository.listing(tree).items()
    return {path: (mode, content) for path, (mode, kind, content) in listing if kind == "blob"}


def is_nested(repository: Repository, tree: str, path: bytes) -> bool:
    """Whether a path is in a nested repository. The user's git lists such files if its index has others there."""
    nested = [above for above, (_, kind, _) in repository.listing(tree).items() if kind == "commit"]
    return any(path.startswith(above + b"/") for above in nested)


def users_refs_and_index(repository: Repository) -> dict[str, object]:
    own = repository.users_own()
    return {name: own[name] for name in ("index", "HEAD", "config", "refs", "logs", "stash")}


@contextmanager
def fresh_repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with tempfile.TemporaryDirectory() as directory, monkeypatch.context() as patched:
        patched.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patched.setenv("GIT_CONFIG_NOSYSTEM", "1")
        (Path(directory) / "outside").mkdir()
        (Path(directory) / "outside" / "a").write_text("outside\n")
        yield Repository.init(Path(directory) / "work")
        assert [path.read_text() for path in (Path(directory) / "outside").iterdir()] == ["outside\n"]


@pytest.mark.lesson("L65")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(
    max_examples=examples(15, share=PROCESSES),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=works, between=works)
@example(
    before=[
        Work("write", b"a/a", b"", b"one\n"),
        Work("write", b"a/b/.gitignore", b"", b"*.log\n"),
        Work("link", b"a/.gitignore", b"a/b", b""),
    ],
    between=[Work("write", b"a/.gitignore/a", b"", b"one\n")],
)
@example(
    before=[Work("write", b"a/a", b"", b"one\n"), Work("write", b"a/.gitignore", b"", b"a\n/b\n")],
    between=[Work("swap", b"a", b"b/a", b""), Work("link", b"b/a/c.log", b"b/a/c.log", b"")],
)
@example(before=[], between=[Work("write", b".gitignore", b"b", b"a\n/b\n"), Work("write", b"a", b"b", b"one\n")])
def test_every_file_that_is_not_ignored_is_as_it_was_captured(
    backend: str, monkeypatch: pytest.MonkeyPatch, before: list[Work], between: list[Work]
) -> None:
    async def play(repository: Repository) -> None:
        workspace = await GitWorkspace.open(repository.top)
        assert workspace is not None
        target = await workspace.capture(checkpoint_ref(THREAD, 1), "target")
        at_capture, own_at_capture, shown_at_capture = (
            standing(repository),
            users_refs_and_index(repository),
            repository.status(),
        )
        for work in between:
            do(repository, work)
        at_restore, users = standing(repository), users_refs_and_index(repository)
        ignored = set(repository.git("ls-files", "-z", "-o", "-i", "--exclude-standard").split(b"\0"))
        try:
            safety, restored = await workspace.restore(target, lambda n: safety_ref(THREAD, "intent", n), "safety")
        except RestoreRefused:
            assert standing(repository) == at_restore
            assert users_refs_and_index(repository) == users
            assert any(work.what == "nest" for work in (*before, *between))
            return
        after = standing(repository)

        captured, kept = files_of(repository, target.tree), files_of(repository, safety.tree)
        assert users_refs_and_index(repository) == users
        assert {path: after.get(path) for path in captured} == captured
        assert captured.items() <= at_capture.items()
        for path, fact in at_restore.items():
            assert after.get(path) == fact or kept.get(path) == fact, f"{path!r} is lost"
        for path in after.keys() - captured.keys():
            assert at_restore[path] == after[path], f"{path!r} was made up"
        printed = repository.git("diff", "--no-ext-diff", "--no-textconv", safety.commit, target.commit)
        assert (await workspace.diff(safety, target)).text == printed.decode("utf-8", "replace")
        if users == own_at_capture and after == at_capture and not restored.left_alone:
            assert repository.status() == shown_at_capture
        if not restored.left_alone and {path for path in after if path.endswith(b".gitignore")} <= captured.keys():
            shown = repository.git("ls-files", "-z", "-o", "--exclude-standard").split(b"\0")
            # Files that were ignored through a file that the restore removed were never captured, and stay.
            files = {path for path in shown if path and not path.endswith(b"/")} - ignored
            assert {path for path in files if not is_nested(repository, target.tree, path)} <= captured.keys()

    with fresh_repository(monkeypatch) as repository:
        for work in before:
            do(repository, work)
        anyio.run(play, repository, backend=backend)
