"""What keeps a restore from writing: files that no capture holds, repositories, directories that may not be written.

All of it is found before anything is touched.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from ....contracts.errors import OrchestrionError
from .own_files import OwnFiles
from .scratch import Layout

NOTHING: Final = b"000000"
"""The mode of what is not there."""


class RestoreRefused(OrchestrionError):
    """The files cannot be put back without loss, or not now. Nothing was touched; `fault` names a remedy."""

    def __init__(self, directory: Path, fault: str) -> None:
        super().__init__(f"{directory} is not restored: {fault}")
        self.directory = directory
        self.fault = fault


@attrs.frozen(kw_only=True)
class PathChange:
    """A path that differs between the present and the target, with mode and blob on each side."""

    path: bytes
    present_mode: bytes
    target_mode: bytes
    present_blob: bytes
    target_blob: bytes


def find_obstacles(
    layout: Layout,
    own_files: OwnFiles,
    written: Sequence[PathChange],
    gone: Collection[bytes],
    notes: Collection[bytes],
) -> set[bytes]:
    """What is where a file is to be written, and in no capture.

    Raises:
        RestoreRefused: it is a nested repository, or something that has no content to capture.
    """
    root = os.fsencode(layout.top)
    modes: dict[bytes, int | None] = {}

    def mode_of(path: bytes) -> int | None:
        if path not in modes:
            try:
                modes[path] = os.lstat(os.path.join(root, path)).st_mode
            except (FileNotFoundError, NotADirectoryError):
                modes[path] = None
            except OSError as fault:
                raise RestoreRefused(layout.top, f"{shown(path)} cannot be examined: {fault}") from fault
        return modes[path]

    found: set[bytes] = set()
    for change in written:
        obstacle = change.path
        for parent in parents_of(change.path):
            mode = mode_of(parent)
            if mode is None or not stat.S_ISDIR(mode):
                obstacle = parent
                break
        mode = mode_of(obstacle)
        if mode is None:
            continue
        if stat.S_ISDIR(mode):
            found.update(path for path in _files_below(layout, root, obstacle) if path not in gone)
        elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise RestoreRefused(layout.top, f"{shown(obstacle)} is no file: move it away first")
        elif obstacle not in gone and (
            obstacle != change.path or change.present_mode == NOTHING or change.present_blob in notes
        ):
            found.add(obstacle)
    own = own_files.those_of(found)
    if own:
        raise RestoreRefused(layout.top, f"{shown(min(own))} belongs to the runtime and is in the way")
    return found


def _files_below(layout: Layout, root: bytes, directory: bytes) -> Iterator[bytes]:
    def refuse(fault: OSError) -> None:
        raise RestoreRefused(layout.top, f"{shown(directory)} holds what cannot be read: {fault}") from fault

    for place, directories, files in os.walk(os.path.join(root, directory), onerror=refuse):
        relative = os.path.relpath(place, root)
        if b".git" in directories or b".git" in files:
            raise RestoreRefused(layout.top, f"there is a git repository at {shown(relative)}: move it away first")
        links = [name for name in directories if os.path.islink(os.path.join(place, name))]
        for name in (*files, *links):
            mode = os.lstat(os.path.join(place, name)).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise RestoreRefused(layout.top, f"{shown(relative)} holds what is no file: move it away first")
            yield os.path.join(relative, name)


def check_writable(layout: Layout, paths: Iterable[bytes]) -> None:
    """Refuse before anything is touched where files could not be removed or written afterwards.

    Raises:
        RestoreRefused: a directory may not be written to.
    """
    root = os.fsencode(layout.top)
    checked: set[bytes] = set()
    for path in paths:
        directory = path.rpartition(b"/")[0]
        while directory and not os.path.isdir(os.path.join(root, directory)):
            directory = directory.rpartition(b"/")[0]
        if directory not in checked and not os.access(os.path.join(root, directory) or b"/", os.W_OK | os.X_OK):
            fault = f"{shown(directory or b'.')} may not be written to, and {shown(path)} is to change: allow it first"
            raise RestoreRefused(layout.top, fault)
        checked.add(directory)


def parents_of(path: bytes) -> Iterator[bytes]:
    """The directories above a path, from the top down."""
    position = path.find(b"/")
    while position >= 0:
        yield path[:position]
        position = path.find(b"/", position + 1)


def shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "replace"))
