"""The permissions of captured files and directories, of which a tree has the executable bit alone.

Most files of a workspace have one mode, so a capture keeps the most frequent mode of its files, executable files and
directories, and names those that differ. Where too many differ, the most private are named, and the mode that stands
for the others has what all of them had. The bits that set a user or a group, and the sticky bit, are never kept.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Literal, Self, TypeAlias
from urllib.parse import quote, unquote_to_bytes

import attrs

from .obstacles import parents_of

_Kind: TypeAlias = Literal["file", "executable", "directory"]

_KINDS: Final[tuple[_Kind, ...]] = ("file", "executable", "directory")
_PERMISSIONS: Final = 0o777
_FOR_OTHERS: Final = 0o077
_MOST_PATHS: Final = 2000
_MOST_BYTES: Final = 256 * 1024
_USUAL: Final = "modes "
_ONE: Final = "mode "


@attrs.frozen(kw_only=True)
class FileModes:
    """Permissions: `usual` by kind, and `others` by path, that of a directory with a `/` at its end.

    Where a kind has no usual mode, nothing of that kind was captured, or by a version that did not keep modes.
    """

    usual: Mapping[str, int] = attrs.field(factory=dict)
    others: Mapping[bytes, int] = attrs.field(factory=dict)

    @classmethod
    def look(cls, top: bytes, paths: Collection[bytes]) -> Self:
        """Look at the files at these paths below `top`, and at the directories that they lie in. Blocks."""
        root = top.rstrip(b"/") + b"/"
        found: dict[_Kind, dict[bytes, int]] = {kind: {} for kind in _KINDS}
        for path in paths:
            mode = _mode_at(root + path)
            if mode is not None and stat.S_ISREG(mode):
                found["executable" if mode & stat.S_IXUSR else "file"][path] = mode & _PERMISSIONS
        directories = {path[: path.rfind(b"/") + 1] for path in paths}
        for parent in {parent for directory in directories for parent in parents_of(directory)}:
            mode = _mode_at(root + parent)
            if mode is not None and stat.S_ISDIR(mode):
                found["directory"][parent + b"/"] = mode & _PERMISSIONS
        usual: dict[str, int] = {}
        others: dict[bytes, int] = {}
        for kind, modes in found.items():
            if modes:
                usual[kind] = Counter(modes.values()).most_common(1)[0][0]
                others |= {path: mode for path, mode in modes.items() if mode != usual[kind]}
        named = frozenset(_most_private(others))
        for kind, modes in found.items():
            for path in (others.keys() - named) & modes.keys():
                usual[kind] &= modes[path]
        return cls(usual=usual, others={path: others[path] for path in sorted(named)})

    def of_file(self, path: bytes, *, is_executable: bool) -> int | None:
        """The mode of a file whose tree says whether it is executable; None where none is known."""
        mode = self.others.get(path, self.usual.get("executable" if is_executable else "file"))
        if mode is None:
            return None
        return mode | stat.S_IXUSR if is_executable else mode & ~stat.S_IXUSR

    def of_directory(self, path: bytes) -> int | None:
        return self.others.get(path + b"/", self.usual.get("directory"))

    def lines(self) -> str:
        """The lines of a commit's text that keep these modes."""
        usual = "".join(f" {kind}={mode:o}" for kind, mode in self.usual.items())
        others = "".join(f"{_ONE}{mode:o} {quote(path, safe='/')}\n" for path, mode in sorted(self.others.items()))
        return f"{_USUAL}{usual.strip()}\n{others}" if usual else ""

    @classmethod
    def read(cls, lines: Iterable[str]) -> Self:
        """What `lines` wrote."""
        usual: dict[str, int] = {}
        others: dict[bytes, int] = {}
        for line in lines:
            with suppress(ValueError):
                if line.startswith(_USUAL):
                    pairs = (pair.partition("=") for pair in line.removeprefix(_USUAL).split())
                    usual |= {kind: int(mode, 8) & _PERMISSIONS for kind, _, mode in pairs}
                elif line.startswith(_ONE):
                    mode, _, path = line.removeprefix(_ONE).partition(" ")
                    others[unquote_to_bytes(path)] = int(mode, 8) & _PERMISSIONS
        return cls(usual=usual, others=others)

    def moved(self, old_prefix: bytes, new_prefix: bytes) -> Self:
        """The same modes where what lies below one prefix lies below another; what lies beside it is left out."""
        below = {path: mode for path, mode in self.others.items() if path.startswith(old_prefix) and path != old_prefix}
        return attrs.evolve(
            self, others={new_prefix + path.removeprefix(old_prefix): mode for path, mode in below.items()}
        )


def _most_private(others: Mapping[bytes, int]) -> Iterator[bytes]:
    """As many paths as are kept, those with the least permission for others first."""
    size = 0
    for path in sorted(others, key=lambda path: ((others[path] & _FOR_OTHERS).bit_count(), path))[:_MOST_PATHS]:
        size += len(path)
        if size > _MOST_BYTES:
            return
        yield path


def _mode_at(place: bytes) -> int | None:
    try:
        return os.lstat(place).st_mode
    except OSError:
        return None
