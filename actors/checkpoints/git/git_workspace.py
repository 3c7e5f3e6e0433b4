"""A workspace whose files can be captured, compared and put back.

A capture is a commit whose tree is the workspace's part of the repository's top-level tree: for a workspace that is a
subdirectory, only what lies below it, under its path from the top. Paths in diffs are paths from the top as well.

What is guaranteed: the user's index, HEAD, branches, stash, reflogs, hooks and files are neither written nor run.

A restore writes to the workspace's files, to nothing else of the user's; `restore.py` says what it may touch. It takes
captures of this workspace alone: one of another work tree or directory of the repository is refused, since what it
does not hold would go.

A workspace without a repository has a shadow repository beside the database, if it is opened with one; `layouts.py`
describes captures when a repository is added or removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Self

import attrs

from ....contracts.ids import CheckpointRef, ThreadId
from ....persistence.threads import in_thread
from .capture import Capture, CaptureRefs, capture_of_kept, own_ref, to_keep
from .diff import DiffLimits, WorkspaceDiff, tree_diff
from .git import CaptureFailed, Git, deadline
from .git_program import find_git
from .kept import KeptRef, adopt_refs, list_checked_refs, list_foreign_refs, list_refs, prune_refs
from .layouts import find_layout
from .obstacles import RestoreRefused
from .recording import Tree
from .refs import NAMESPACE, RefNames, parse_ref, thread_component
from .restore import (
    Approve,
    Restored,
    RestoreFailed,
    RestoreForecast,
    Touched,
    forecast_tree,
    no_touched_paths,
    restore_tree,
)
from .scratch import CaptureLimits, Layout
from .tree_paths import Differences, differences, entries_of, paths_differing_from
from .wholeness import is_whole

_DEFAULT_DEADLINE: Final = 600.0
"""Seconds. The first capture of a large repository reads every file once."""

_SAFETY_ATTEMPTS: Final = 1000


@attrs.frozen(kw_only=True)
class GitWorkspace:
    """A directory in a git work tree. It holds no state: any number may exist for one directory and be used at once."""

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
    def _refs(self) -> CaptureRefs:
        return CaptureRefs(git=self._git, path=self._path, layout=self._layout)

    @property
    def top(self) -> Path:
        """The top of the work tree, from which the paths in diffs are counted."""
        return self._layout.top

    @property
    def place(self) -> str:
        """What distinguishes the workspace from others of its repository."""
        return self._layout.place

    async def existing(self, ref: CheckpointRef) -> Capture | None:
        """The capture that `ref` keeps, or None, also where its commit was deleted.

        One that another repository of the workspace has, from before its own came or went, is copied into this one.

        Raises:
            CaptureFailed: git could not list refs, or the deadline passed.
        """
        with deadline("for-each-ref", self.top, self._deadline):
            found = await self._refs.read(own_ref(ref))
            if found is not None:
                return found
            return await self._refs.fetch(ref, ref)

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
                return (
                    None if capture is not None else await self._refs.fetch(ref, *name.other_databases, message=message)
                )
        return capture_of_kept(found)

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
            return await self._refs.capture(ref, message.strip("\n"), anew=anew)

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
        touched: Touched = no_touched_paths,
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
            tree = to_keep(present)
            for attempt in range(1, _SAFETY_ATTEMPTS):
                ref = own_ref(safety(attempt))
                found = await self._refs.read_to_write(ref)
                if found is None and kept and tree.name == target.tree:
                    break
                if found is None:
                    found = await self._refs.keep_present(ref, tree, message)
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

    async def forecast(self, target: Capture, *, touched: Touched = no_touched_paths) -> RestoreForecast:
        """What `restore` would do now, with the same `touched`. Nothing of the workspace is changed.

        Raises:
            RestoreRefused: it would lose something.
            CaptureFailed: the present could not be captured, the target is gone, or the deadline passed.
        """
        self._check_place(target)
        with deadline("restore", self.top, self._deadline):
            return await forecast_tree(self._git, self._layout, target.content, touched)

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

    async def entries_of(self, tree: str, paths: Collection[bytes]) -> dict[bytes, bytes]:
        """Mode and object of those of the paths that the tree of a capture has.

        Raises:
            CaptureFailed: the tree is no longer there, or the deadline passed.
        """
        with deadline("ls-tree", self.top, self._deadline):
            return await entries_of(self._git, tree, paths)

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
            own_ref(ref)
        with deadline("prune", self.top, self._deadline):
            return await prune_refs(self._git, refs, at_once=self._layout.is_shadow)

    def _check_place(self, target: Capture) -> None:
        if target.place != self.place:
            fault = f"{target.ref} was captured at another place of the repository: move the thread back there first"
            raise RestoreRefused(self.top, fault)
