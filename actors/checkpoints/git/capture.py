"""One capture: what it is, and how it comes under the ref that keeps it.

A ref, once written under a message, keeps that capture: a second one answers with the first, unless it is to be taken
anew. Under another message the ref moves on, and the capture it held stays reachable as the new one's parent; so a
message names the turn, whose count may be used again after a revert.

What is refused: refs outside `refs/orchestrion/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from ....contracts.ids import CheckpointRef
from .details import CaptureDetails
from .git import CaptureFailed, Git
from .kept import KeptRef, commit_text, read_commit_text, read_details, read_skipped
from .moved_captures import find_moved
from .recording import Tree, write_tree
from .ref_contents import FoundRef, delete_missing, read_refs
from .refs import NAMESPACE
from .scratch import Layout
from .skipped import SkippedPaths
from .wholeness import MissingObjects, are_objects_missing, is_whole, running_gc_ended

_IDENTITY: Final = {
    f"GIT_{role}_{field}": text
    for role in ("AUTHOR", "COMMITTER")
    for field, text in (("NAME", "Orchestrion"), ("EMAIL", "orchestrion@localhost"))
}

_LAST_ATTEMPT: Final = 4
"""A capture whose objects are deleted meanwhile is recorded again so many times."""


@attrs.frozen(kw_only=True)
class Capture:
    """A workspace as it stood: the ref that keeps it, its commit, the commit's tree and message.

    `place` identifies the workspace within its repository. `skipped` is what the capture could not take in: of that,
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
class CaptureRefs:
    """Reads and writes the refs that keep captures of one workspace."""

    git: Git
    path: Path
    layout: Layout

    async def capture(self, ref: CheckpointRef, message: str, *, anew: bool) -> Capture:
        """Record the workspace under `ref`; where objects are deleted meanwhile, again.

        Raises:
            CaptureFailed: the workspace could not be read, or an object or the ref not be written.
        """
        for attempt in range(_LAST_ATTEMPT):
            try:
                return await self._record(ref, message, anew=anew, warm=attempt == 0)
            except CaptureFailed as fault:
                if not are_objects_missing(fault):
                    raise
                await running_gc_ended(self.layout.common_dir)
        return await self._record(ref, message, anew=anew, warm=False)

    async def _record(self, ref: CheckpointRef, message: str, *, anew: bool, warm: bool) -> Capture:
        displaced = await self.read_to_write(ref, looks_deep=not warm)
        kept = displaced if displaced is not None and displaced.message == message else None
        if kept is not None and not anew:
            return kept
        tree = to_keep(await write_tree(self.git, self.layout, warm=warm))
        if kept is not None and (kept.content, kept.place) == (tree, self.layout.place):
            return kept
        commit = await self._commit(tree, message, displaced)
        try:
            await self._name(ref, commit, displaced)
        except CaptureFailed as fault:
            if are_objects_missing(fault):
                raise
            present = await self.read(ref)
            if present is None or present.message != message or present == displaced:
                raise
            return present
        return self._capture(ref, commit, tree, message)

    async def read(self, ref: CheckpointRef) -> Capture | None:
        """The capture that `ref` keeps, or None, also where its commit was deleted.

        Raises:
            CaptureFailed: git could not list refs.
        """
        found = next((one for one in await read_refs(self.git, ref) if one.ref == ref), None)
        return None if found is None else _capture_of(found)

    async def read_to_write(self, ref: CheckpointRef, *, looks_deep: bool = False) -> Capture | None:
        """What `ref` keeps, before it is written. Refs of its thread on a missing commit are deleted first.

        With `looks_deep`, so is `ref` where other objects of its capture are missing.

        Raises:
            CaptureFailed: git could not list refs or delete one.
        """
        directory = own_ref(ref).rpartition("/")[0]
        siblings = (
            directory.replace("/safety/", "/checkpoints/", 1),
            directory.replace("/checkpoints/", "/safety/", 1),
        )
        found = await read_refs(self.git, *dict.fromkeys((directory, *siblings)))
        broken = [one for one in found if one.text is None]
        own = next((one for one in found if one.ref == ref and one.text is not None), None)
        if own is not None and looks_deep and not await is_whole(self.git, own.commit):
            broken.append(attrs.evolve(own, text=None))
            own = None
        await delete_missing(self.git, broken)
        return None if own is None else _capture_of(own)

    async def _name(self, ref: CheckpointRef, commit: str, displaced: Capture | None) -> None:
        """Write `ref`, and see that what it keeps is there; where it is not, the ref is as it was or deleted.

        Raises:
            MissingObjects: something of the capture was deleted meanwhile.
            CaptureFailed: git could not write the ref.
        """
        expected = "0" * len(commit) if displaced is None else displaced.commit
        await self.git.run("update-ref", "--no-deref", ref, commit, expected)
        await running_gc_ended(self.layout.common_dir)
        if await is_whole(self.git, commit):
            return
        if displaced is not None and await is_whole(self.git, displaced.commit):
            await self.git.run("update-ref", "--no-deref", ref, displaced.commit, commit)
        else:
            await self.git.run("update-ref", "--no-deref", "-d", ref, commit)
        fault = "its objects were deleted while it was recorded, as by git gc --prune=now"
        raise MissingObjects("capture", self.layout.top, fault)

    async def keep_present(self, ref: CheckpointRef, tree: Tree, message: str) -> Capture:
        """Keep a tree under a ref that is not there; where its objects were deleted meanwhile, it is written again.

        Raises:
            CaptureFailed: git could not write it, or the workspace changed before it was written again.
        """
        try:
            commit = await self._commit(tree, message, None)
            await self._name(ref, commit, None)
        except CaptureFailed as fault:
            if not are_objects_missing(fault) or to_keep(await write_tree(self.git, self.layout, warm=False)) != tree:
                raise
            commit = await self._commit(tree, message, None)
            await self._name(ref, commit, None)
        return self._capture(ref, commit, tree, message)

    async def fetch(self, ref: CheckpointRef, *theirs: CheckpointRef, message: str | None = None) -> Capture | None:
        """Keep under `ref` what another repository of the workspace keeps under one of `theirs`, if there is such.

        Raises:
            CaptureFailed: git could not write what was found.
        """
        moved = await find_moved(self.git, self.path, self.layout, theirs, message)
        if moved is None:
            return None
        commit = await self._commit(moved.tree, moved.message, None)
        await self.read_to_write(ref)
        await self._name(ref, commit, None)
        return self._capture(ref, commit, moved.tree, moved.message)

    def _capture(self, ref: CheckpointRef, commit: str, tree: Tree, message: str) -> Capture:
        return Capture(
            ref=ref,
            commit=commit,
            tree=tree.name,
            message=message,
            place=self.layout.place,
            skipped=tree.skipped,
            details=tree.details,
        )

    async def _commit(self, tree: Tree, message: str, parent: Capture | None) -> str:
        parents = () if parent is None else ("-p", parent.commit)
        arguments = ("commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree.name)
        text = commit_text(message, self.layout.place, tree)
        done = await self.git.run(*arguments, stdin=text, variables=_IDENTITY)
        return done.output.decode("ascii").strip()


def to_keep(tree: Tree) -> Tree:
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


def own_ref(ref: CheckpointRef) -> CheckpointRef:
    """`ref`, where it is one that may be written.

    Raises:
        ValueError: it is outside the namespace.
    """
    if not ref.startswith(NAMESPACE):
        raise ValueError(f"{ref!r} is not below {NAMESPACE}: name it with checkpoint_ref or baseline_ref")
    return ref


def capture_of_kept(kept: KeptRef) -> Capture:
    """The capture that a ref keeps."""
    return Capture(
        ref=kept.ref,
        commit=kept.commit,
        tree=kept.tree,
        message=kept.message,
        place=kept.place,
        skipped=kept.skipped,
        details=kept.details,
    )
