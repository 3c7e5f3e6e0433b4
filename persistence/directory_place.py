"""Where a directory is, by the file system's identifiers and not by the text of a path.

A directory has many paths: symbolic links, `..`, bind mounts, letters that a file system takes for equal. So a place is
the device and inode of the directory and of every directory above it. A directory that is not there has those above it
and its path from the last of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import attrs


@attrs.frozen
class DirectoryPlace:
    """A directory: device and inode of it and of those above it, from the root down."""

    chain: tuple[tuple[int, int] | str, ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """The place of `path` now. Blocks."""
        chain: list[tuple[int, int] | str] = []
        resolved = Path(os.path.realpath(path))
        for directory in (*reversed(resolved.parents), resolved):
            try:
                facts = os.stat(directory)
            except OSError:
                chain.append(directory.name)
            else:
                chain.append((facts.st_dev, facts.st_ino))
        return cls(tuple(chain))

    def overlaps(self, other: DirectoryPlace) -> bool:
        """Whether both are one directory, or one lies below the other."""
        return self._is_below(other) or other._is_below(self)

    def _is_below(self, other: DirectoryPlace) -> bool:
        last = other.chain[-1]
        if isinstance(last, tuple):
            return last in self.chain
        return self.chain[: len(other.chain)] == other.chain
