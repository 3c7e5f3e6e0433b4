"""The files of an open database, compared by device and inode with what they were.

A file that is removed or replaced while it is open still accepts writes, which are lost. So the log
compares them before each commit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, TypeAlias

from ..contracts.errors import StoreError

_Identity: TypeAlias = tuple[int, int]
"""Device and inode."""

_LOCK: Final = ".lock"
_LOG: Final = "-wal"


class OpenFiles:
    """Knows the database, its lock and its write-ahead log by identity. Make it once the database is open.

    Used by one thread at a time. The lock is left out where there is none, as in tests of single parts.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._lock = Path(f"{database}{_LOCK}")
        self._log = Path(f"{database}{_LOG}")
        self._known: dict[Path, _Identity] = {}
        self._connection: object = None
        for path in (self._database, self._lock):
            found = _identity(path)
            if found is not None:
                self._known[path] = found

    def check(self, connection: object) -> None:
        """Compare every file with what it was. Call it inside a write transaction: the log exists then.

        `connection` is the one that writes. Where it is another one than before, SQLite may have made a new log.

        Raises:
            StoreError: a file was removed, or another one is in its place.
        """
        if connection is not self._connection:
            self._known.pop(self._log, None)
            self._connection = connection
        if self._log not in self._known and (log := _identity(self._log)) is not None:
            self._known[self._log] = log
        for path, known in self._known.items():
            found = _identity(path, unknown=known)
            if found != known:
                happened = "was removed" if found is None else "was replaced by another file"
                raise StoreError(
                    f"{path} {happened} while {self._database} was open: nothing more is written, because it would be"
                    " lost. End every process that uses the database, restore the file or a backup, and open it again",
                    path=str(path),
                )


def _identity(path: Path, *, unknown: _Identity | None = None) -> _Identity | None:
    """What stands at a path; None for nothing. `unknown` where it cannot be looked at, which says neither."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return unknown
    return status.st_dev, status.st_ino
