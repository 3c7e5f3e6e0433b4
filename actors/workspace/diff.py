"""The difference of two trees: the unified text that `git diff` prints, and the files it names.

Both are bounded. A text that is too long ends at a line's end with a marker; files beyond the bound are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from ...runtime.contracts.values import ChangedFile, Count, FileChangeKind, Label
from .git import Git

_KINDS: Final[dict[bytes, FileChangeKind]] = {b"A": "added", b"D": "deleted", b"R": "renamed"}
"""By the letter that opens git's status; every other status (M, T) is a modification."""

_CUT: Final = b"# The diff is cut here: it is longer than %d bytes\n"

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
class DiffLimits:
    """How much of a diff is kept."""

    text_bytes: int = 4 * 1024 * 1024
    files: int = 2000


@attrs.frozen(kw_only=True)
class WorkspaceDiff:
    """What changed between two captures. `text` is empty when nothing did.

    `changed_files` counts all of them, `files` has the first; `is_cut` says whether the text ends in a marker.
    """

    text: str
    files: tuple[ChangedFile, ...]
    changed_files: int
    is_cut: bool


async def tree_diff(git: Git, from_tree: str, to_tree: str, limits: DiffLimits) -> WorkspaceDiff:
    """The diff from one tree to another, in git's order of paths.

    Raises:
        CaptureFailed: a tree is not there, or git could not read it.
    """
    if from_tree == to_tree:
        return WorkspaceDiff(text="", files=(), changed_files=0, is_cut=False)
    patch, is_whole = await git.read("diff-tree", *_OPTIONS, "-p", from_tree, to_tree, limit=limits.text_bytes)
    if not is_whole:
        patch = patch[: patch.rfind(b"\n") + 1] + _CUT % limits.text_bytes
    listing = await git.run("diff-tree", *_OPTIONS, "-z", "--raw", "--numstat", from_tree, to_tree)
    files = tuple(_changed_files(listing.output))
    return WorkspaceDiff(
        text=patch.decode("utf-8", "replace"),
        files=files[: limits.files],
        changed_files=len(files),
        is_cut=not is_whole,
    )


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
