"""Captures of a workspace: commits of their own, under refs of their own.

A capture is a commit whose tree is the workspace's part of the repository's top-level tree: for a workspace that is a
subdirectory, only what lies below it, under its path from the top. Paths in diffs are paths from the top as well.

What is guaranteed: the user's index, HEAD, branches, stash, reflogs, hooks and files are neither written nor run. A
ref, once written under a message, keeps that capture: a second `capture` answers with the first. Under another
message the ref moves on, and the capture it held stays reachable as the new one's parent; so a message names the
turn, whose count may be used again after a revert.

What is refused: refs outside `refs/orchestrion/`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

import anyio.to_thread
import attrs

from ...runtime.contracts.ids import CheckpointRef
from .diff import WorkspaceDiff, tree_diff
from .git import CaptureFailed, Git, deadline, find_git
from .refs import NAMESPACE
from .scratch import Layout, write_tree

_DEFAULT_DEADLINE: Final = 600.0
"""Seconds. The first capture of a large repository reads every file once."""

_IDENTITY: Final = {
    f"GIT_{role}_{field}": text
    for role in ("AUTHOR", "COMMITTER")
    for field, text in (("NAME", "Orchestrion"), ("EMAIL", "orchestrion@localhost"))
}

_NOT_A_REPOSITORY: Final = "not a git repository"
_EXIT_FATAL: Final = 128


@attrs.frozen(kw_only=True)
class Capture:
    """A workspace as it stood: the ref that keeps it, its commit, the commit's tree and message."""

    ref: CheckpointRef
    commit: str
    tree: str
    message: str


@attrs.frozen(kw_only=True)
class GitWorkspace:
    """A directory in a git work tree. It holds no state: any number may stand on one directory and be used at once."""

    _git: Git
    _layout: Layout
    _deadline: float

    @classmethod
    async def open(cls, path: Path, *, deadline_seconds: float = _DEFAULT_DEADLINE) -> Self | None:
        """The workspace at `path`, or None when `path` is not a directory in a git work tree.

        `deadline_seconds` bounds each later call as a whole.

        Raises:
            GitUnavailable: there is no git program.
            CaptureFailed: the repository is there but git refuses it, as when another user owns it.
        """
        if not await anyio.to_thread.run_sync(os.path.isdir, path):
            return None
        git = Git(program=await find_git(), directory=path)
        with deadline("rev-parse", path, deadline_seconds):
            layout = await _layout(git)
        if layout is None:
            return None
        variables = {"GIT_DIR": str(layout.git_dir), "GIT_WORK_TREE": str(layout.top)}
        return cls(
            git=attrs.evolve(git, directory=layout.top, variables=variables),
            layout=layout,
            deadline=deadline_seconds,
        )

    @property
    def top(self) -> Path:
        """The top of the work tree, from which the paths in diffs are counted."""
        return self._layout.top

    async def existing(self, ref: CheckpointRef) -> Capture | None:
        """The capture that `ref` keeps, or None.

        Raises:
            CaptureFailed: the ref is there but its commit cannot be read, or the deadline passed.
        """
        with deadline("for-each-ref", self.top, self._deadline):
            return await self._read(_own(ref))

    async def capture(self, ref: CheckpointRef, message: str) -> Capture:
        """Record the workspace under `ref`, unless `ref` already keeps a capture with this message.

        Files that change meanwhile are in it as before or after. Cancelled, it leaves the ref as it was or written.

        Raises:
            CaptureFailed: a file could not be read, an object or the ref not be written, or the deadline passed.
        """
        with deadline("capture", self.top, self._deadline):
            displaced = await self._read(_own(ref))
            if displaced is not None and displaced.message == message.strip("\n"):
                return displaced
            tree = await write_tree(self._git, self._layout)
            commit = await self._commit(tree, message, displaced)
            expected = "0" * len(commit) if displaced is None else displaced.commit
            try:
                await self._git.run("update-ref", "--no-deref", ref, commit, expected)
            except CaptureFailed:
                present = await self._read(ref)
                if present is None or present.message != message.strip("\n"):
                    raise
                return present
            return Capture(ref=ref, commit=commit, tree=tree, message=message.strip("\n"))

    async def diff(self, from_capture: Capture, to_capture: Capture) -> WorkspaceDiff:
        """What `git diff` prints between two captures, renames found, with the user's `.gitattributes` for diffs.

        Text that is not UTF-8 has replacement characters. Lines of a binary file count as 0.

        Raises:
            CaptureFailed: a capture is no longer there, or the deadline passed.
        """
        with deadline("diff", self.top, self._deadline):
            return await tree_diff(self._git, from_capture.tree, to_capture.tree)

    async def _read(self, ref: CheckpointRef) -> Capture | None:
        fields = "--format=%(refname)%00%(objectname)%00%(tree)%00%(contents)"
        found = (await self._git.run("for-each-ref", fields, ref)).output.decode("utf-8", "replace")
        if not found:
            return None
        name, commit, tree, message = found.split("\0")
        if name != ref:
            return None
        return Capture(ref=ref, commit=commit, tree=tree, message=message.strip("\n"))

    async def _commit(self, tree: str, message: str, parent: Capture | None) -> str:
        parents = () if parent is None else ("-p", parent.commit)
        arguments = ("commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree)
        text = message.strip("\n").encode("utf-8", "replace") + b"\n"
        done = await self._git.run(*arguments, stdin=text, variables=_IDENTITY)
        return done.output.decode("ascii").strip()


def _own(ref: CheckpointRef) -> CheckpointRef:
    if not ref.startswith(NAMESPACE):
        raise ValueError(f"{ref!r} is not below {NAMESPACE}: name it with checkpoint_ref or baseline_ref")
    return ref


async def _layout(git: Git) -> Layout | None:
    """Where the repository around `git.directory` is. One question at a time: a path may hold a newline."""

    async def ask(*question: str) -> str:
        answer = await git.run("rev-parse", "--path-format=absolute", *question)
        return os.fsdecode(answer.output.removesuffix(b"\n"))

    inside = await git.run("rev-parse", "--is-inside-work-tree", codes=(0, _EXIT_FATAL))
    if inside.code == _EXIT_FATAL:
        if _NOT_A_REPOSITORY in inside.errors:
            return None
        raise CaptureFailed("rev-parse", git.directory, inside.errors)
    if inside.output.strip() != b"true":
        return None
    return Layout(
        top=Path(await ask("--show-toplevel")),
        prefix=await ask("--show-prefix"),
        git_dir=Path(await ask("--absolute-git-dir")),
        common_dir=Path(await ask("--git-common-dir")),
        object_format=await ask("--show-object-format"),
    )
