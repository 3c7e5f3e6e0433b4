"""The difference of two trees: the unified text that `git diff` prints, and the files it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from ...runtime.contracts.values import ChangedFile, Count, FileChangeKind, Label
from .git import Git

_KINDS: Final[dict[bytes, FileChangeKind]] = {b"A": "added", b"D": "deleted", b"R": "renamed"}
"""By the letter that opens git's status; every other status (M, T) is a modification."""

_OPTIONS: Final = (
    "-r",
    "-M",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--submodule=short",
    "--ignore-submodules=none",
)


@attrs.frozen(kw_only=True)
class WorkspaceDiff:
    """What changed between two captures. `text` is empty when nothing did."""

    text: str
    files: tuple[ChangedFile, ...]


async def tree_diff(git: Git, from_tree: str, to_tree: str) -> WorkspaceDiff:
    """The diff from one tree to another, in git's order of paths.

    Raises:
        CaptureFailed: a tree is not there, or git could not read it.
    """
    if from_tree == to_tree:
        return WorkspaceDiff(text="", files=())
    patch = await git.run("diff-tree", *_OPTIONS, "-p", from_tree, to_tree)
    listing = await git.run("diff-tree", *_OPTIONS, "-z", "--raw", "--numstat", from_tree, to_tree)
    return WorkspaceDiff(text=patch.output.decode("utf-8", "replace"), files=tuple(_changed_files(listing.output)))


def _changed_files(listing: bytes) -> Iterator[ChangedFile]:
    """Reads `--raw --numstat -z`: all `:modes ids status NUL path NUL`, then all `added TAB deleted TAB path NUL`.

    A rename has two paths in both: in the raw record after its status, in the count after an empty path.
    """
    kinds: dict[bytes, FileChangeKind] = {}
    counts: dict[bytes, tuple[int, int]] = {}
    fields = iter(listing.split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            kind = _KINDS.get(field.rsplit(b" ", 1)[1][:1], "modified")
            path = next(fields)
            kinds[next(fields) if kind == "renamed" else path] = kind
        elif field:
            added, deleted, path = field.split(b"\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            counts[path] = (_lines(added), _lines(deleted))
    for path, kind in kinds.items():
        additions, deletions = counts.get(path, (0, 0))
        yield ChangedFile(
            path=Label(path.decode("utf-8", "replace")),
            kind=kind,
            additions=Count(additions),
            deletions=Count(deletions),
        )


def _lines(count: bytes) -> int:
    return 0 if count == b"-" else int(count)
