"""A walk through the directories of a workspace before it is captured: what git would leave out without a word.

Git lists neither sockets nor what lies in a directory that it cannot open. And it lists nothing before it has walked
everything, so that a workspace that is far too large (a home directory, `/`) is noticed here, after as many files as
are allowed. What is ignored, and what lies in a repository of its own, is not walked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from typing import Final

import attrs

from ....persistence.threads import in_thread
from .git import CaptureFailed, Git
from .ignoring import ignored_paths
from .own_files import OwnFiles
from .scratch import Layout
from .skipped import SkippedPaths, SkipReason, reason_of

_DIRECTORIES_AT_ONCE: Final = 500


class WorkspaceTooLarge(CaptureFailed):
    """A workspace without a repository has more than its captures may hold."""


@attrs.frozen(kw_only=True)
class _Level:
    """The content of some directories. Of files only those that are not in the index are named, with their sizes."""

    directories: tuple[bytes, ...]
    special: tuple[bytes, ...]
    foreign: tuple[bytes, ...]
    failures: dict[bytes, SkipReason]
    new_files: dict[bytes, int]
    known_files: int
    known_bytes: int


async def survey(scratch: Git, layout: Layout, own: OwnFiles, known: Collection[bytes]) -> SkippedPaths:
    """What cannot be captured of the workspace. `known` are the paths in the index: they are not ignored.

    Raises:
        WorkspaceTooLarge: a workspace with a shadow repository has more than that may hold.
        CaptureFailed: git could not list what is ignored.
    """
    files = frozenset(known)
    above = _directories_of(files)
    skipped: dict[bytes, SkipReason] = {}
    count = size = 0
    waiting = [os.fsencode(layout.prefix.rstrip("/"))]
    while waiting:
        taken, waiting = waiting[:_DIRECTORIES_AT_ONCE], waiting[_DIRECTORIES_AT_ONCE:]
        level = await in_thread(_scan, layout, own, files, taken)
        unsure = [path for path in (*level.directories, *level.foreign) if path not in above]
        asked = [*unsure, *level.special, *level.new_files, *(path for path in level.failures if path not in above)]
        ignored = await ignored_paths(scratch, layout.top, [path for path in asked if path])
        skipped |= {path: reason for path, reason in level.failures.items() if path not in ignored}
        skipped |= dict.fromkeys((path for path in level.special if path not in ignored), "special-file")
        skipped |= dict.fromkeys((path for path in level.foreign if path not in ignored), "foreign")
        waiting.extend(path for path in level.directories if path not in ignored)
        counted = [bytes_ for path, bytes_ in level.new_files.items() if path not in ignored]
        count, size = count + level.known_files + len(counted), size + level.known_bytes + sum(counted)
        _check_bounds(layout, count, size)
    return SkippedPaths(skipped)


def _check_bounds(layout: Layout, count: int, size: int) -> None:
    """Refuse a workspace that is too large for a shadow repository before anything of it is copied."""
    limits = layout.limits
    if layout.is_shadow and (count > limits.shadow_files or size > limits.shadow_bytes):
        fault = (
            f"it has more than {limits.shadow_files} files or {limits.shadow_bytes} bytes that are not ignored:"
            " make it a git repository with a .gitignore, or choose a smaller directory, to have checkpoints"
        )
        raise WorkspaceTooLarge("capture", layout.top, fault)


def _scan(layout: Layout, own: OwnFiles, known: frozenset[bytes], paths: Sequence[bytes]) -> _Level:
    root = os.fsencode(layout.top)
    directories: list[bytes] = []
    special: list[bytes] = []
    foreign: list[bytes] = []
    failures: dict[bytes, SkipReason] = {}
    new_files: dict[bytes, int] = {}
    known_files = known_bytes = 0
    for path in paths:
        place = os.path.join(root, path)
        try:
            with os.scandir(place) as listing:
                entries = list(listing)
        except OSError as fault:
            reason = reason_of(fault)
            if reason is not None:
                failures[path] = reason
            continue
        if path and _is_repository(place):
            continue
        for entry in entries:
            below = os.path.join(path, entry.name)
            if entry.name == b".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                if not own.has(below):
                    directories.append(below)
                elif own.foreign_places([below]):
                    foreign.append(below)
            elif not (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
                special.append(below)
            elif layout.is_shadow:
                size = _captured_size(entry, layout.limits.file_bytes)
                if below in known:
                    known_files, known_bytes = known_files + 1, known_bytes + size
                else:
                    new_files[below] = size
    return _Level(
        directories=tuple(directories),
        special=tuple(special),
        foreign=tuple(foreign),
        failures=failures,
        new_files=new_files,
        known_files=known_files,
        known_bytes=known_bytes,
    )


def _captured_size(entry: os.DirEntry[bytes], limit: int) -> int:
    """How much of a file a capture keeps: nothing of one above the limit."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return facts.st_size if stat.S_ISREG(facts.st_mode) and facts.st_size <= limit else 0


def _is_repository(place: bytes) -> bool:
    """Whether git takes a directory for a repository of its own, with or without a commit."""
    link = os.path.join(place, b".git")
    return os.path.isfile(link) or os.path.exists(os.path.join(link, b"HEAD"))


def _directories_of(files: frozenset[bytes]) -> set[bytes]:
    """The directories that files lie in, and those above them."""
    found: set[bytes] = {b""}
    for path in files:
        parent = path.rpartition(b"/")[0]
        while parent not in found:
            found.add(parent)
            parent = parent.rpartition(b"/")[0]
    return found
