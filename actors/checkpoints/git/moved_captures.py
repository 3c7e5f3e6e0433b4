"""Captures of a workspace that are in another repository, because the workspace's own came or went meanwhile.

One that is asked for is copied, objects and all, and then is a capture of this repository. What was captured below
another top gets the paths that it has from here.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import attrs

from ....contracts.ids import CheckpointRef
from .git import CaptureFailed, Git
from .kept import list_refs
from .layouts import other_layouts
from .recording import Tree
from .scratch import Layout
from .skipped import SkippedPaths, SkipReason

_EXIT_FATAL: Final = 128
_FETCH_SETTINGS: Final = ("protocol.file.allow=always", "fetch.fsckObjects=false", "transfer.fsckObjects=false")
"""What a user forbids git to fetch are other people's repositories."""


@attrs.frozen(kw_only=True)
class MovedCapture:
    """A capture of another repository, whose objects are in this one now."""

    message: str
    tree: Tree


async def find_moved(
    git: Git, workspace: Path, layout: Layout, refs: Collection[CheckpointRef], message: str | None
) -> MovedCapture | None:
    """What a ref that matches one of `refs` keeps of the workspace in another repository, under this message if given.

    None where no other repository has it, or git cannot copy it.
    """
    for other in await other_layouts(git, workspace, layout):
        theirs = attrs.evolve(
            git, directory=other.top, variables={"GIT_DIR": str(other.git_dir), "GIT_WORK_TREE": str(other.top)}
        )
        try:
            kept = [one for one in await list_refs(theirs, *refs) if one.place == other.place]
            found = next((one for one in kept if message in (None, one.message)), None)
            if found is None:
                continue
            flags = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--recurse-submodules=no")
            await attrs.evolve(git, settings=_FETCH_SETTINGS).run("fetch", *flags, str(other.git_dir), found.ref)
            tree = await _tree_below_prefix(git, found.commit, other.prefix, layout.prefix)
        except CaptureFailed:
            continue
        prefixes = os.fsencode(other.prefix), os.fsencode(layout.prefix)
        moved = Tree(name=tree, skipped=_moved(found.skipped, *prefixes), details=found.details.moved(*prefixes))
        return MovedCapture(message=found.message, tree=moved)
    return None


async def _tree_below_prefix(git: Git, commit: str, old_prefix: str, new_prefix: str) -> str:
    """The tree of a commit with what lay below one prefix below another."""
    below = await git.run(
        "rev-parse", "--verify", "--quiet", f"{commit}:{old_prefix.rstrip('/')}", codes=(0, 1, _EXIT_FATAL)
    )
    if below.code == 0:
        tree = below.output.decode("ascii").strip()
    else:
        tree = (await git.run("mktree", stdin=b"")).output.decode("ascii").strip()
    for name in reversed([part for part in new_prefix.split("/") if part]):
        entry = b"040000 tree %s\t%s\0" % (tree.encode("ascii"), os.fsencode(name))
        tree = (await git.run("mktree", "-z", stdin=entry)).output.decode("ascii").strip()
    return tree


def _moved(skipped: SkippedPaths, old_prefix: bytes, new_prefix: bytes) -> SkippedPaths:
    """The same paths from another top; what lies above the workspace stands for all of it."""
    reasons: dict[bytes, SkipReason] = {}
    for path, reason in skipped.reasons.items():
        is_below = path.startswith(old_prefix)
        reasons[new_prefix + path.removeprefix(old_prefix) if is_below else new_prefix.rstrip(b"/")] = reason
    return SkippedPaths(reasons)
