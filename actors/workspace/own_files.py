"""Which files below a workspace are a runtime's own: never captured, never restored, never removed.

They are known by device and inode, so that no path leads to them unseen (`..`, a symbolic link above, a bind mount, a
hard link, another spelling where names have no case), and by the directory they stand in and their name, so that one
that is gone now or comes later is known as well. They are looked up anew for each capture and each restore.

The database of another runtime counts too: a file with an empty `.lock` and an `.owner` beside it, or with the lock and
this application's id in it. A file that this process has open is not opened to see that: closing it would give up the
locks that SQLite holds on it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeAlias

import attrs

from ...migrations import APPLICATION_ID
from ...persistence.own_names import databases_of, is_own_name

_Identity: TypeAlias = tuple[int, int]
"""Device and inode."""

_MAGIC: Final = b"SQLite format 3\0"
_ID_FROM: Final = 68
"""Where an SQLite file has its application id: four bytes, the highest first."""


@attrs.define(eq=False)
class OwnFiles:
    """What is a runtime's own below `root`, as it stands during one capture or restore. Blocks; used by one thread."""

    root: bytes
    _beside: frozenset[tuple[_Identity, str]] = frozenset()
    """The directories that a database of this runtime is in, by whichever path, and its name there."""
    _own: frozenset[_Identity] = frozenset()
    _directories: dict[bytes, tuple[_Identity | None, bool]] = attrs.field(factory=dict)

    @classmethod
    def look(cls, top: Path, database: Path | None) -> Self:
        """Look up what the database of this runtime, if it has one, has beside it now."""
        beside, own = set(), set()
        for place in () if database is None else {os.path.abspath(database), os.path.realpath(database)}:
            directory, name = os.path.split(place)
            where = _identity(os.fsencode(os.path.realpath(directory)))
            if where is None:
                continue
            beside.add((where, name))
            for one in os.listdir(directory):
                identity = _identity(os.fsencode(os.path.join(directory, one))) if is_own_name(one, name) else None
                if identity is not None:
                    own.add(identity)
        return cls(os.fsencode(top), frozenset(beside), frozenset(own))

    def has(self, path: bytes) -> bool:
        """Whether what stands at `path`, or would, is a runtime's own or lies in what is."""
        parent, _, name = path.rpartition(b"/")
        identity, is_own = self._directory(parent)
        return is_own or self._is_own(identity, parent, name)

    def those_of(self, paths: Collection[bytes]) -> set[bytes]:
        """Those of `paths` that are a runtime's own."""
        return {path for path in paths if self.has(path)}

    def holds(self, directory: str) -> bool:
        """Whether a directory, given by its resolved path, is a runtime's own or lies in what is."""
        place = directory
        while True:
            parent, name = os.path.split(place)
            identity = _identity(os.fsencode(place))
            if identity is not None and identity in self._own:
                return True
            if self._is_own_name(_identity(os.fsencode(parent)), name):
                return True
            if parent == place:
                return False
            place = parent

    def _directory(self, path: bytes) -> tuple[_Identity | None, bool]:
        """The identity of a directory below the root, and whether it is a runtime's own or lies in what is."""
        known = self._directories.get(path)
        if known is None:
            if path:
                parent, _, name = path.rpartition(b"/")
                above, is_own = self._directory(parent)
                is_own = is_own or self._is_own(above, parent, name)
            else:
                is_own = False
            known = (_identity(os.path.join(self.root, path)), is_own)
            self._directories[path] = known
        return known

    def _is_own(self, directory: _Identity | None, parent: bytes, name: bytes) -> bool:
        text = os.fsdecode(name)
        if self._is_own_name(directory, text):
            return True
        place = os.path.join(self.root, parent, name)
        identity = _identity(place)
        if identity is not None and identity in self._own:
            return True
        beside = os.path.join(self.root, parent)
        return any(_is_runtimes_database(os.path.join(beside, os.fsencode(one))) for one in databases_of(text))

    def _is_own_name(self, directory: _Identity | None, name: str) -> bool:
        """Names are compared without case as well: where files have none, this is how they are spelt otherwise."""
        return any(
            is_own_name(name, database) or is_own_name(name.casefold(), database.casefold())
            for where, database in self._beside
            if where == directory
        )


def _is_runtimes_database(place: bytes) -> bool:
    """Whether a runtime's database stands there, used or not."""
    try:
        lock = os.lstat(place + b".lock")
        if not stat.S_ISREG(lock.st_mode) or lock.st_size:
            return False
        if os.path.lexists(place + b".owner"):
            return True
        facts = os.lstat(place)
        return stat.S_ISREG(facts.st_mode) and (_is_open_here(facts) or _has_our_id(place))
    except (OSError, ValueError):
        return False


def _is_open_here(facts: os.stat_result) -> bool:
    """Whether this process has the file open."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(name)), facts):
                return True
    return False


def _has_our_id(place: bytes) -> bool:
    with open(place, "rb") as file:
        opening = file.read(_ID_FROM + 4)
    return opening.startswith(_MAGIC) and opening[_ID_FROM:] == APPLICATION_ID.to_bytes(4, "big")


def _identity(place: bytes) -> _Identity | None:
    try:
        facts = os.lstat(place)
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino
