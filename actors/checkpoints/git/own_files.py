"""Which files below a workspace are a runtime's own: never captured, never restored, never removed.

They are known by device and inode, so that no path leads to them unseen (`..`, a symbolic link above, a bind mount, a
hard link, another spelling where names have no case), and by the directory they stand in and their name, so that one
that is gone now or comes later is known as well. They are looked up again for each capture and each restore.

The database of another runtime counts too, with what it has beside it, where the file itself proves what it is. What is
left out for that is foreign: unlike this runtime's own files it is named with the capture.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Self, TypeAlias

import attrs

from ....persistence.own_names import databases_of, is_own_name
from .foreign_databases import is_runtimes_database

_Identity: TypeAlias = tuple[int, int]
"""Device and inode."""


@attrs.frozen
class _Owned:
    """The file or directory, at or above a path, that is a runtime's own: this one's, or a foreign one's."""

    place: bytes
    is_foreign: bool


@attrs.define(eq=False)
class OwnFiles:
    """What is a runtime's own below `root`, as it stands during one capture or restore. Blocks; used by one thread."""

    root: bytes
    _beside: frozenset[tuple[_Identity, str]] = frozenset()
    """The directories that a database of this runtime is in, by whichever path, and its name there."""
    _own: frozenset[_Identity] = frozenset()
    _directories: dict[bytes, tuple[_Identity | None, _Owned | None]] = attrs.field(factory=dict)
    _databases: dict[bytes, bool] = attrs.field(factory=dict)
    """Places that were examined, and whether a runtime's database is there."""

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
        """Whether `path` is, or would be, a runtime's own file or directory, or lies in one."""
        return self._owned(path) is not None

    def those_of(self, paths: Collection[bytes]) -> set[bytes]:
        """Those of `paths` that are a runtime's own."""
        return {path for path in paths if self.has(path)}

    def foreign_places(self, paths: Collection[bytes]) -> dict[bytes, bytes]:
        """Those of `paths` that are another runtime's, each with the place at or above it that is the whole of it."""
        found = {path: self._owned(path) for path in paths}
        return {path: owned.place for path, owned in found.items() if owned is not None and owned.is_foreign}

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

    def _owned(self, path: bytes) -> _Owned | None:
        parent, _, name = path.rpartition(b"/")
        identity, owned = self._directory(parent)
        return owned or self._owned_itself(identity, parent, name)

    def _directory(self, path: bytes) -> tuple[_Identity | None, _Owned | None]:
        """The identity of a directory below the root, and what of a runtime's it is or lies in."""
        known = self._directories.get(path)
        if known is None:
            known = (_identity(os.path.join(self.root, path)), self._owned(path) if path else None)
            self._directories[path] = known
        return known

    def _owned_itself(self, directory: _Identity | None, parent: bytes, name: bytes) -> _Owned | None:
        text = os.fsdecode(name)
        path = os.path.join(parent, name)
        if self._is_own_name(directory, text) or _identity(os.path.join(self.root, path)) in self._own:
            return _Owned(path, is_foreign=False)
        beside = os.path.join(self.root, parent)
        if any(self._is_database(os.path.join(beside, os.fsencode(one))) for one in databases_of(text)):
            return _Owned(path, is_foreign=True)
        return None

    def _is_database(self, place: bytes) -> bool:
        if place not in self._databases:
            self._databases[place] = is_runtimes_database(place)
        return self._databases[place]

    def _is_own_name(self, directory: _Identity | None, name: str) -> bool:
        """Names are compared without case as well: where files have none, this is how they are spelt otherwise."""
        return any(
            is_own_name(name, database) or is_own_name(name.casefold(), database.casefold())
            for where, database in self._beside
            if where == directory
        )


def _identity(place: bytes) -> _Identity | None:
    try:
        facts = os.lstat(place)
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino
