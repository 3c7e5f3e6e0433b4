"""Captures of a workspace: commits of their own, under refs of their own; and the way back to them.

A capture is a commit whose tree is the workspace's part of the repository's top-level tree: for a workspace that is a
subdirectory, only what lies below it, under its path from the top. Paths in diffs are paths from the top as well.

What is guaranteed: the user's index, HEAD, branches, stash, reflogs, hooks and files are neither written nor run. A
ref, once written under a message, keeps that capture: a second `capture` answers with the first, unless it is to be
taken anew. Under another
message the ref moves on, and the capture it held stays reachable as the new one's parent; so a message names the
turn, whose count may be used again after a revert.

A restore writes to the workspace's files, to nothing else of the user's; `restore.py` says what it may touch. It takes
captures of this workspace alone: one of another work tree or directory of the repository is refused, since what it
does not hold would go.

Longer than 350 lines: the steps of one capture share its locks, its scratch index and its clean-up.

A workspace without a repository has a shadow repository beside the database, if it is opened with one; `layouts.py`
says what becomes of captures when a repository comes or goes.

What is refused: refs outside `refs/orchestrion/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Self

import attrs

from ...persistence.threads import in_thread
from ...runtime.contracts.ids import CheckpointRef, ThreadId
from .details import CaptureDetails
from .diff import DiffLimits, WorkspaceDiff, tree_diff
from .git import CaptureFailed, Git, deadline
from .git_program import find_git
from .kept import (
    KeptRef,
    adopt_refs,
    commit_text,
    list_checked_refs,
    list_foreign_refs,
    list_refs,
    prune_refs,
    read_commit_text,
    read_details,
    read_skipped,
)
from .layouts import find_layout
from .moved_captures import find_moved
from .obstacles import RestoreRefused
from .recording import Tree, write_tree
from .ref_contents import FoundRef, delete_missing, read_refs
from .refs import NAMESPACE, RefNames, parse_ref, thread_component
from .restore import (
    Approve,
    Foreseen,
    Restored,
    RestoreFailed,
    Touched,
    foresee_tree,
    nothing_known,
    restore_tree,
)
from .scratch import CaptureLimits, Layout
from .skipped import SkippedPaths
from .tree_paths import Differences, differences, paths_differing_from
from .wholeness import ObjectsGone, are_gone, is_whole, running_gc_ended

_DEFAULT_DEADLINE: Final = 600.0
"""Seconds. The first capture of a large repository reads every file once."""

_IDENTITY: Final = {
    f"GIT_{role}_{field}": text
    for role in ("AUTHOR", "COMMITTER")
    for field, text in (("NAME", "Orchestrion"), ("EMAIL", "orchestrion@localhost"))
}

_SAFETY_ATTEMPTS: Final = 1000

_LAST_ATTEMPT: Final = 4
"""A capture whose objects are deleted meanwhile is recorded again so many times."""


@attrs.frozen(kw_only=True)
class Capture:
    """A workspace as it stood: the ref that keeps it, its commit, the commit's tree and message.

    `place` tells the workspace from others of its repository. `skipped` is what the capture could not take in: of that,
    the tree says nothing. `details` is what no tree has.
    """

    ref: CheckpointRef
    commit: str
    tree: str
    message: str
    place: str
    skipped: SkippedPaths = attrs.field(factory=SkippedPaths)
    details: CaptureDetails = attrs.field(factory=CaptureDetails)

    @property
    def content(self) -> Tree:
        """The tree with what no tree has."""
        return Tree(name=self.tree, skipped=self.skipped, details=self.details)


@attrs.frozen(kw_only=True)
class GitWorkspace:
    """A directory in a git work tree. It holds no state: any number may stand on one directory and be used at once."""

    _git: Git
    _path: Path
    _layout: Layout
    _deadline: float

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        database: Path | None = None,
        limits: CaptureLimits | None = None,
        makes_shadow: bool = True,
        deadline_seconds: float = _DEFAULT_DEADLINE,
    ) -> Self | None:
        """The workspace at `path`, or None when `path` is not a directory that can have captures.

        A directory in no git work tree can have them if `database` is given: the runtime's database, whose own files
        no capture takes in; without `makes_shadow`, only if it has some already. `deadline_seconds` bounds each later
        call as a whole.

        Raises:
            GitUnavailable: there is no git program, or it is too old.
            CaptureFailed: the repository is there but git refuses it, as when another user owns it.
        """
        if not await in_thread(os.path.isdir, path):
            return None
        git = Git(program=await find_git(), directory=path)
        limits = limits or CaptureLimits()
        with deadline("rev-parse", path, deadline_seconds):
            layout = await find_layout(git, database, limits, makes_shadow=makes_shadow)
        if layout is None:
            return None
        variables = {"GIT_DIR": str(layout.git_dir), "GIT_WORK_TREE": str(layout.top)}
        return cls(
            git=attrs.evolve(git, directory=layout.top, variables=variables),
            path=path,
            layout=layout,
            deadline=deadline_seconds,
        )

    @property
    def top(self) -> Path:
        """The top of the work tree, from which the paths in diffs are counted."""
        return self._layout.top

    @property
    def place(self) -> str:
        """What tells the workspace from others of its repository."""
        return self._layout.place

    async def existing(self, ref: CheckpointRef) -> Capture | None:
        """The capture that `ref` keeps, or None, also where its commit was deleted.

        One that another repository of the workspace has, from before its own came or went, is copied into this one.

        Raises:
            CaptureFailed: git could not list refs, or the deadline passed.
        """
        with deadline("for-each-ref", self.top, self._deadline):
            found = await self._read(_own(ref))
            if found is not None:
                return found
            return await self._bring(ref, ref)

    async def find(self, ref: CheckpointRef, message: str) -> Capture | None:
        """The capture with this message that `ref` keeps, or that it kept under the name of another database.

        For messages that name a turn: no other turn has them, so the capture is that turn's, whichever database it was
        captured for. A copy of a database finds what was captured before it was copied.

        Raises:
            CaptureFailed: a ref cannot be read, or the deadline passed.
        """
        capture = await self.existing(ref)
        if capture is not None and capture.message == message:
            return capture
        name = parse_ref(ref)
        if name is None:
            return None
        with deadline("for-each-ref", self.top, self._deadline):
            others = await list_refs(self._git, *name.other_databases)
            found = next((one for one in others if one.message == message), None)
            if found is None:
                return None if capture is not None else await self._bring(ref, *name.other_databases, message=message)
        return Capture(
            ref=found.ref,
            commit=found.commit,
            tree=found.tree,
            message=message,
            place=found.place,
            skipped=found.skipped,
            details=found.details,
        )

    async def foreign_refs(self, names: RefNames, thread_id: ThreadId) -> tuple[KeptRef, ...]:
        """What the thread's refs of the first edition and of other databases keep, and those of `names` do not.

        Other databases may have a thread of this id that is not the same: their messages tell.

        Raises:
            CaptureFailed: git could not list refs, or the deadline passed.
        """
        with deadline("for-each-ref", self.top, self._deadline):
            return await list_foreign_refs(self._git, names, thread_component(thread_id))

    async def adopt(self, names: RefNames, refs: Collection[KeptRef]) -> None:
        """Keep what these refs keep under `names`. Refs of the first edition move, those of other databases stay.

        Raises:
            CaptureFailed: git could not write a ref, or the deadline passed; none is written.
        """
        with deadline("update-ref", self.top, self._deadline):
            await adopt_refs(self._git, names, refs)

    async def capture(self, ref: CheckpointRef, message: str, *, anew: bool = False) -> Capture:
        """Record the workspace under `ref`, unless `ref` already keeps a capture with this message.

        With `anew`, what `ref` keeps is displaced also under this message, unless it is what stands there now.
        Files that change meanwhile are in it as before or after. What cannot be read is named in `skipped`. Cancelled,
        it leaves the ref as it was or written, and no object that nothing names.

        Raises:
            CaptureFailed: the workspace could not be read, an object or the ref not be written, or the deadline passed.
        """
        with deadline("capture", self.top, self._deadline):
            message = message.strip("\n")
            for attempt in range(_LAST_ATTEMPT):
                try:
                    return await self._record(ref, message, anew=anew, warm=attempt == 0)
                except CaptureFailed as fault:
                    if not are_gone(fault):
                        raise
                    await running_gc_ended(self._layout.common_dir)
            return await self._record(ref, message, anew=anew, warm=False)

    async def _record(self, ref: CheckpointRef, message: str, *, anew: bool, warm: bool) -> Capture:
        displaced = await self._read_to_write(ref, looks_deep=not warm)
        kept = displaced if displaced is not None and displaced.message == message else None
        if kept is not None and not anew:
            return kept
        tree = _to_keep(await write_tree(self._git, self._layout, warm=warm))
        if kept is not None and (kept.content, kept.place) == (tree, self.place):
            return kept
        commit = await self._commit(tree, message, displaced)
        try:
            await self._name(ref, commit, displaced)
        except CaptureFailed as fault:
            if are_gone(fault):
                raise
            present = await self._read(ref)
            if present is None or present.message != message or present == displaced:
                raise
            return present
        return self._capture(ref, commit, tree, message)

    async def diff(self, from_capture: Capture, to_capture: Capture, limits: DiffLimits | None = None) -> WorkspaceDiff:
        """What `git diff` prints between two captures, renames found, with the user's `.gitattributes` for diffs.

        Text that is not UTF-8 has replacement characters. Lines of a binary file count as 0. Paths that one of the
        captures skipped are not compared.

        Raises:
            CaptureFailed: a capture is no longer there, or the deadline passed.
        """
        with deadline("diff", self.top, self._deadline):
            unknown = from_capture.skipped.unknown | to_capture.skipped.unknown
            trees = from_capture.tree, to_capture.tree
            return await tree_diff(self._git, *trees, limits or DiffLimits(), without=unknown)

    async def restore(
        self,
        target: Capture,
        safety: Callable[[int], CheckpointRef],
        message: str,
        *,
        touched: Touched = nothing_known,
        approve: Approve | None = None,
    ) -> tuple[Capture, Restored]:
        """Make the workspace's files what `target` holds; answers with the capture of what stood there before.

        That capture is kept under `safety(1)` with `message`. Where an earlier attempt left one there, it stays, and
        what stands there now is kept under `safety(2)` and so on, unless it is known already. So a restore that was
        cut off can be done again. `approve` may refuse what would be done: what it raises leaves, nothing was touched.
        `touched` is asked where something cannot be read now: what changed there since the target is left alone, and
        named.

        Raises:
            RestoreRefused: it would lose something. Nothing was touched.
            CaptureFailed: the present could not be captured, or the target is gone. Nothing was touched.
            RestoreFailed: files could not be written or removed, or the deadline passed half way.
        """
        self._check_place(target)
        message = message.strip("\n")
        kept: list[Capture] = []

        async def keep(present: Tree) -> str:
            tree = _to_keep(present)
            for attempt in range(1, _SAFETY_ATTEMPTS):
                ref = _own(safety(attempt))
                found = await self._read_to_write(ref)
                if found is None and kept and tree.name == target.tree:
                    break
                if found is None:
                    found = await self._keep_present(ref, tree, message)
                kept.append(found)
                if tree.name == found.tree:
                    break
            return kept[0].ref

        try:
            with deadline("restore", self.top, self._deadline):
                if not await is_whole(self._git, target.tree):
                    raise CaptureFailed("restore", self.top, f"objects of {target.ref} are missing: it is no target")
                wanted = target.content
                restored = await restore_tree(self._git, self._layout, wanted, keep, touched=touched, approve=approve)
        except CaptureFailed as fault:
            if not kept:
                raise
            raise RestoreFailed(self.top, kept[0].ref, fault.fault) from fault
        return kept[0], restored

    async def foresee(self, target: Capture, *, touched: Touched = nothing_known) -> Foreseen:
        """What `restore` would do now, with the same `touched`. Nothing of the workspace is changed.

        Raises:
            RestoreRefused: it would lose something.
            CaptureFailed: the present could not be captured, the target is gone, or the deadline passed.
        """
        self._check_place(target)
        with deadline("restore", self.top, self._deadline):
            return await foresee_tree(self._git, self._layout, target.content, touched)

    async def differences(self, from_tree: str, to_tree: str) -> Differences:
        """The paths, from the top of the work tree, that differ between two captures' trees.

        Raises:
            CaptureFailed: a tree is no longer there, or the deadline passed.
        """
        with deadline("diff", self.top, self._deadline):
            return await differences(self._git, from_tree, to_tree)

    async def paths_differing_from(self, tree: str, others: Collection[str]) -> frozenset[bytes]:
        """The paths in which the tree of one of the other captures differs from `tree`.

        Raises:
            CaptureFailed: git could not compare, or the deadline passed.
        """
        with deadline("diff", self.top, self._deadline):
            return await paths_differing_from(self._git, tree, others)

    async def refs_of(self, thread_id: ThreadId) -> tuple[KeptRef, ...]:
        """The refs that keep captures of threads with this id, of every database that uses this repository.

        Raises:
            CaptureFailed: git could not list them, or the deadline passed.
        """
        component = thread_component(thread_id)
        patterns = [f"{NAMESPACE}checkpoints/{database}{component}/**" for database in ("", "db.*/")]
        with deadline("for-each-ref", self.top, self._deadline):
            return await list_refs(self._git, *patterns)

    async def refs(self) -> tuple[KeptRef, ...]:
        """The refs that keep captures in this repository, of every thread and every database that uses it.

        Those of which objects are missing are among them, and say so.

        Raises:
            CaptureFailed: git could not list them, or the deadline passed.
        """
        with deadline("for-each-ref", self.top, self._deadline):
            return await list_checked_refs(self._git)

    async def tidy(self, *, most_loose: int = 200, most_loose_kib: int = 4096) -> bool:
        """Pack a shadow repository that has more loose objects; what nothing has kept for an hour goes. True if it did.

        Captures may run meanwhile. A repository of the user's is left to the user's own git.

        Raises:
            CaptureFailed: git could not, or the deadline passed; nothing that is kept is lost.
        """
        if not self._layout.is_shadow:
            return False
        with deadline("gc", self.top, self._deadline):
            counted = (await self._git.run("count-objects", "-v")).output.decode("ascii").splitlines()
            facts = dict(line.split(": ", 1) for line in counted)
            if int(facts["count"]) <= most_loose and int(facts["size"]) <= most_loose_kib:
                return False
            await self._git.run("gc", "--quiet", "--prune=1.hour.ago")
        return True

    async def prune(self, refs: Collection[CheckpointRef]) -> int:
        """Delete these refs, those that are gone already included; the bytes that nothing keeps any more.

        In a repository of the user's they go with git's next collection of garbage, in a shadow repository at once.

        Raises:
            CaptureFailed: a ref was moved meanwhile or git could not delete it; none is deleted.
        """
        for ref in refs:
            _own(ref)
        with deadline("prune", self.top, self._deadline):
            return await prune_refs(self._git, refs, at_once=self._layout.is_shadow)

    def _check_place(self, target: Capture) -> None:
        if target.place != self.place:
            fault = f"{target.ref} was captured at another place of the repository: move the thread back there first"
            raise RestoreRefused(self.top, fault)

    async def _read(self, ref: CheckpointRef) -> Capture | None:
        found = next((one for one in await read_refs(self._git, ref) if one.ref == ref), None)
        return None if found is None else _capture_of(found)

    async def _read_to_write(self, ref: CheckpointRef, *, looks_deep: bool = False) -> Capture | None:
        """What `ref` keeps, before it is written. Refs of its thread on a missing commit are deleted first.

        With `looks_deep`, so is `ref` where other objects of its capture are missing.
        """
        directory = _own(ref).rpartition("/")[0]
        siblings = (
            directory.replace("/safety/", "/checkpoints/", 1),
            directory.replace("/checkpoints/", "/safety/", 1),
        )
        found = await read_refs(self._git, *dict.fromkeys((directory, *siblings)))
        broken = [one for one in found if one.text is None]
        own = next((one for one in found if one.ref == ref and one.text is not None), None)
        if own is not None and looks_deep and not await is_whole(self._git, own.commit):
            broken.append(attrs.evolve(own, text=None))
            own = None
        await delete_missing(self._git, broken)
        return None if own is None else _capture_of(own)

    async def _name(self, ref: CheckpointRef, commit: str, displaced: Capture | None) -> None:
        """Write `ref`, and see that what it keeps is there; where it is not, the ref is as it was or deleted.

        Raises:
            ObjectsGone: something of the capture was deleted meanwhile.
            CaptureFailed: git could not write the ref.
        """
        expected = "0" * len(commit) if displaced is None else displaced.commit
        await self._git.run("update-ref", "--no-deref", ref, commit, expected)
        await running_gc_ended(self._layout.common_dir)
        if await is_whole(self._git, commit):
            return
        if displaced is not None and await is_whole(self._git, displaced.commit):
            await self._git.run("update-ref", "--no-deref", ref, displaced.commit, commit)
        else:
            await self._git.run("update-ref", "--no-deref", "-d", ref, commit)
        fault = "its objects were deleted while it was recorded, as by git gc --prune=now"
        raise ObjectsGone("capture", self.top, fault)

    async def _keep_present(self, ref: CheckpointRef, tree: Tree, message: str) -> Capture:
        """Keep a tree under a ref that is not there; where its objects were deleted meanwhile, it is written again."""
        try:
            commit = await self._commit(tree, message, None)
            await self._name(ref, commit, None)
        except CaptureFailed as fault:
            if not are_gone(fault) or _to_keep(await write_tree(self._git, self._layout, warm=False)) != tree:
                raise
            commit = await self._commit(tree, message, None)
            await self._name(ref, commit, None)
        return self._capture(ref, commit, tree, message)

    async def _bring(self, ref: CheckpointRef, *theirs: CheckpointRef, message: str | None = None) -> Capture | None:
        """Keep under `ref` what another repository of the workspace keeps under one of `theirs`, if there is such."""
        moved = await find_moved(self._git, self._path, self._layout, theirs, message)
        if moved is None:
            return None
        commit = await self._commit(moved.tree, moved.message, None)
        await self._read_to_write(ref)
        await self._name(ref, commit, None)
        return self._capture(ref, commit, moved.tree, moved.message)

    def _capture(self, ref: CheckpointRef, commit: str, tree: Tree, message: str) -> Capture:
        return Capture(
            ref=ref,
            commit=commit,
            tree=tree.name,
            message=message,
            place=self.place,
            skipped=tree.skipped,
            details=tree.details,
        )

    async def _commit(self, tree: Tree, message: str, parent: Capture | None) -> str:
        parents = () if parent is None else ("-p", parent.commit)
        arguments = ("commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree.name)
        text = commit_text(message, self.place, tree)
        done = await self._git.run(*arguments, stdin=text, variables=_IDENTITY)
        return done.output.decode("ascii").strip()


def _to_keep(tree: Tree) -> Tree:
    """The tree as its commit tells of it: a long list of what was skipped is shortened."""
    return attrs.evolve(tree, skipped=tree.skipped.shortened())


def _capture_of(found: FoundRef) -> Capture | None:
    if found.text is None:
        return None
    message, place = read_commit_text(found.text.message)
    return Capture(
        ref=found.ref,
        commit=found.commit,
        tree=found.text.tree,
        message=message,
        place=place,
        skipped=read_skipped(found.text.message),
        details=read_details(found.text.message),
    )


def _own(ref: CheckpointRef) -> CheckpointRef:
    if not ref.startswith(NAMESPACE):
        raise ValueError(f"{ref!r} is not below {NAMESPACE}: name it with checkpoint_ref or baseline_ref")
    return ref
