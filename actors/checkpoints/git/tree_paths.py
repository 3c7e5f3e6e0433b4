"""Paths in trees, from the top of the work tree: those that differ, and what is at them."""

from __future__ import annotations

import os
from collections.abc import Collection

import attrs

from .git import Git
from .ignoring import paths_of

_OPTIONS = ("-r", "-z", "--no-renames", "--ignore-submodules=none")


@attrs.frozen(kw_only=True)
class Differences:
    """What has to be done to come from one tree to another: the paths to write, and those to remove."""

    written: frozenset[bytes] = frozenset()
    removed: frozenset[bytes] = frozenset()

    @property
    def paths(self) -> frozenset[bytes]:
        return self.written | self.removed


async def differences(git: Git, from_tree: str, to_tree: str) -> Differences:
    """What differs between two trees.

    Raises:
        CaptureFailed: a tree is no longer there.
    """
    if from_tree == to_tree:
        return Differences()
    fields = paths_of(await git.run("diff-tree", *_OPTIONS, "--name-status", from_tree, to_tree))
    of_status = list(zip(fields[::2], fields[1::2], strict=True))
    return Differences(
        written=frozenset(path for status, path in of_status if status != b"D"),
        removed=frozenset(path for status, path in of_status if status == b"D"),
    )


async def paths_differing_from(git: Git, tree: str, others: Collection[str]) -> frozenset[bytes]:
    """The paths in which one of the other trees differs from `tree`. One git process compares them all.

    Raises:
        CaptureFailed: git could not compare.
    """
    pairs = [f"{tree} {other}\n".encode() for other in dict.fromkeys(others) if other != tree]
    if not pairs:
        return frozenset()
    found = set()
    for field in paths_of(await git.run("diff-tree", *_OPTIONS, "--name-only", "--stdin", stdin=b"".join(pairs))):
        path = field
        while path.startswith(tree.encode() + b" ") and b"\n" in path:
            path = path.partition(b"\n")[2]
        found.add(path)
    return frozenset(found - {b""})


async def entries_of(git: Git, tree: str, paths: Collection[bytes]) -> dict[bytes, bytes]:
    """Mode and object of those of the paths that a tree has.

    Raises:
        CaptureFailed: the tree is no longer there.
    """
    if not paths:
        return {}
    names = [os.fsdecode(path) for path in sorted(paths)]
    fields = paths_of(await git.run("ls-tree", "-r", "-z", "--full-tree", tree, "--", *names))
    entries = (field.partition(b"\t") for field in fields)
    return {path: entry for entry, _, path in entries if path in paths}
