"""The difference of two trees: the unified text that `git diff` prints, and the files it names.

Both are bounded. A text that is too long ends at a line's end with a marker; files beyond the bound are counted.
A file above the size limit of captures is listed without lines: the text shows the note in place of its content.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import Final

import attrs

from ....contracts.values import ChangedFile, Count, FileChangeKind, Label
from .git import Git
from .notes import find_notes

_KINDS: Final[dict[bytes, FileChangeKind]] = {b"A": "added", b"D": "deleted", b"R": "renamed"}
"""By the letter that opens git's status; every other status (M, T) is a modification."""

_NOTHING: Final = b"000000"
_REPOSITORY: Final = b"160000"
"""The mode of what is not there, and of a nested repository: neither has a blob."""

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

    `changed_files` counts all of them, `files` has the first. `noted_files` counts those whose content was too large to
    keep, before or after; `is_cut`: the text ends in a marker.
    """

    text: str
    files: tuple[ChangedFile, ...]
    changed_files: int
    noted_files: int
    is_cut: bool


@attrs.frozen(kw_only=True)
class _ChangedPath:
    """A path that differs, with the blobs on both sides and the lines that came and went."""

    path: bytes
    kind: FileChangeKind
    blobs: frozenset[bytes]
    lines: tuple[int, int]

    def to_changed_file(self, notes: frozenset[bytes]) -> ChangedFile:
        additions, deletions = (0, 0) if self.blobs & notes else self.lines
        return ChangedFile(
            path=Label(self.path.decode("utf-8", "replace")),
            kind=self.kind,
            additions=Count(additions),
            deletions=Count(deletions),
        )


async def tree_diff(
    git: Git, from_tree: str, to_tree: str, limits: DiffLimits, *, without: Collection[bytes] = ()
) -> WorkspaceDiff:
    """The diff from one tree to another, in git's order of paths. What lies at or below `without` is left out.

    Raises:
        CaptureFailed: a tree is not there, or git could not read it.
    """
    if from_tree == to_tree or b"" in without:
        return WorkspaceDiff(text="", files=(), changed_files=0, noted_files=0, is_cut=False)
    git = attrs.evolve(git, variables={**git.variables, "GIT_LITERAL_PATHSPECS": "0"})
    trees = from_tree, to_tree, "--", *(f":(top,exclude,literal){os.fsdecode(path)}" for path in sorted(without))
    patch, is_whole = await git.read("diff-tree", *_OPTIONS, "-p", *trees, limit=limits.text_bytes)
    if not is_whole:
        patch = patch[: patch.rfind(b"\n") + 1] + _CUT % limits.text_bytes
    listing = await git.run("diff-tree", *_OPTIONS, "-z", "--raw", "--numstat", *trees)
    listed = tuple(_listed(listing.output))
    notes = await find_notes(git, frozenset[bytes]().union(*(one.blobs for one in listed)))
    return WorkspaceDiff(
        text=patch.decode("utf-8", "replace"),
        files=tuple(one.to_changed_file(notes) for one in listed[: limits.files]),
        changed_files=len(listed),
        noted_files=sum(1 for one in listed if one.blobs & notes),
        is_cut=not is_whole,
    )


def _listed(listing: bytes) -> Iterator[_ChangedPath]:
    """Reads `--raw --numstat -z`: all `:modes ids status NUL path NUL`, then all `added TAB deleted TAB path NUL`.

    A rename has two paths in both: in the raw record after its status, in the count after an empty path.
    """
    changes: dict[bytes, tuple[FileChangeKind, frozenset[bytes]]] = {}
    lines: dict[bytes, tuple[int, int]] = {}
    fields = iter(listing.split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            from_mode, to_mode, from_id, to_id, status = field[1:].split(b" ")
            kind = _KINDS.get(status[:1], "modified")
            path = next(fields)
            sides = ((from_mode, from_id), (to_mode, to_id))
            blobs = frozenset(name for mode, name in sides if mode not in (_NOTHING, _REPOSITORY))
            changes[next(fields) if kind == "renamed" else path] = kind, blobs
        elif field:
            added, deleted, path = field.split(b"\t", 2)
            if not path:
                next(fields)
                path = next(fields)
            lines[path] = (_lines(added), _lines(deleted))
    for path, (kind, blobs) in changes.items():
        yield _ChangedPath(path=path, kind=kind, blobs=blobs, lines=lines.get(path, (0, 0)))


def _lines(count: bytes) -> int:
    return 0 if count == b"-" else int(count)
