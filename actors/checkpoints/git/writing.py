"""How a restore removes and writes files, once it is decided which.

A file gets the permissions that it had when it was captured. Where the capture did not keep them, it gets those of the
file that it replaces, else what the umask leaves. Directories that have to be made again are treated alike; those that
stand there stay as they are. A private file is never readable by others meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import attrs

from ....persistence.threads import in_thread
from .file_modes import FileModes
from .git import Git
from .obstacles import parents_of
from .scratch import Layout

_PERMISSIONS: Final = 0o777
_NOT_PERMISSIONS: Final = 0o7000
_READ_BY_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
_PRIVATE: Final = 0o077


def clear(layout: Layout, removed: Collection[bytes], written: Sequence[bytes]) -> None:
    """Remove what goes, and the directories that this empties; make room where a directory is in place of a file."""
    root = os.fsencode(layout.top)
    workspace = os.fsencode(layout.workspace)
    for path in sorted(removed):
        place = os.path.join(root, path)
        if not _is_beyond_link(root, path):
            os.unlink(place)
            _remove_emptied(os.path.dirname(place), workspace)
    for path in written:
        place = os.path.join(root, path)
        if os.path.isdir(place) and not os.path.islink(place):
            for emptied, _, _ in os.walk(place, topdown=False):
                os.rmdir(emptied)


def _remove_emptied(directory: bytes, workspace: bytes) -> None:
    while directory.startswith(workspace + b"/"):
        try:
            os.rmdir(directory)
        except OSError:
            return
        directory = os.path.dirname(directory)


def _is_beyond_link(root: bytes, path: bytes) -> bool:
    return any(os.path.islink(os.path.join(root, parent)) for parent in parents_of(path))


def standing_modes(layout: Layout, paths: Collection[bytes]) -> Mapping[bytes, int]:
    """The permissions of the files at these paths. Blocks."""
    found: dict[bytes, int] = {}
    for path in paths:
        with suppress(OSError):
            mode = os.lstat(os.path.join(os.fsencode(layout.top), path)).st_mode
            if stat.S_ISREG(mode):
                found[path] = mode & _PERMISSIONS
    return found


async def write_files(
    targeted: Git, layout: Layout, paths: Sequence[bytes], modes: FileModes, replaced: Mapping[bytes, int]
) -> None:
    """Write these files of an index, with `modes` or those of the files that they have `replaced`.

    Raises:
        CaptureFailed: git could not write a file.
        OSError: a directory could not be made.
    """
    made = await in_thread(_make_directories, layout, paths, modes)
    private = [path for path in paths if _is_private(path, modes, replaced)]
    await _check_out(attrs.evolve(targeted, umask=_PRIVATE), private)
    await _check_out(targeted, [path for path in paths if path not in set(private)])
    await in_thread(partial(_set_modes, layout, paths, made, modes, replaced))


async def _check_out(targeted: Git, paths: Sequence[bytes]) -> None:
    if paths:
        await targeted.run("checkout-index", "-f", "-z", "--stdin", stdin=b"\0".join(paths) + b"\0")


def _is_private(path: bytes, modes: FileModes, replaced: Mapping[bytes, int]) -> bool:
    known = (modes.of_file(path, is_executable=False), modes.of_file(path, is_executable=True))
    wanted = [mode for mode in known if mode is not None] or [replaced.get(path, _READ_BY_OTHERS)]
    return any(mode & _READ_BY_OTHERS != _READ_BY_OTHERS for mode in wanted)


def _make_directories(layout: Layout, paths: Sequence[bytes], modes: FileModes) -> list[bytes]:
    """Make those that are missing above these paths, for the owner alone where others may not enter them."""
    root = os.fsencode(layout.top)
    made: list[bytes] = []
    for parent in dict.fromkeys(parent for path in paths for parent in parents_of(path)):
        place = os.path.join(root, parent)
        mode = modes.of_directory(parent)
        if mode is not None and not os.path.lexists(place) and not _is_beyond_link(root, parent):
            os.mkdir(place, mode | stat.S_IRWXU)
            made.append(parent)
    return made


def _set_modes(
    layout: Layout, paths: Sequence[bytes], made: Sequence[bytes], modes: FileModes, replaced: Mapping[bytes, int]
) -> None:
    root = os.fsencode(layout.top)
    for path in paths:
        place = os.path.join(root, path)
        mode = os.lstat(place).st_mode
        if stat.S_ISREG(mode):
            is_executable = bool(mode & stat.S_IXUSR)
            wanted = modes.of_file(path, is_executable=is_executable)
            if wanted is None and path in replaced:
                wanted = _as_executable(replaced[path]) if is_executable else replaced[path] & ~0o111
            _set_mode(place, mode, wanted)
    for parent in reversed(made):
        place = os.path.join(root, parent)
        _set_mode(place, os.lstat(place).st_mode, modes.of_directory(parent))


def _as_executable(mode: int) -> int:
    """With the right to run it for everyone who may read it."""
    return mode | stat.S_IXUSR | (mode & _READ_BY_OTHERS) >> 2


def _set_mode(place: bytes, present: int, wanted: int | None) -> None:
    """Set the permissions, where the file system has such; other bits of the mode stay."""
    if wanted is not None and present & _PERMISSIONS != wanted:
        with suppress(PermissionError):
            os.chmod(place, wanted | (present & _NOT_PERMISSIONS))
