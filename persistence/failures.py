"""What SQLite, Peewee and the operating system raise, in the contract's words.

An error leaves `persistence` as a `StoreError` that names the file and a remedy, with the driver's as its cause.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import peewee

from ..contracts.errors import DatabaseCorrupt, ForeignDatabase, StoreError, StoreFull

_FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What network file systems answer that do not offer locks."""

_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "another process held it for too long: end that process and try again",
    sqlite3.SQLITE_LOCKED: "another connection holds it: end what holds it and try again",
    sqlite3.SQLITE_CANTOPEN: "check that the file and its directory may be read and written",
    sqlite3.SQLITE_PERM: "check that the file and its directory may be read and written",
    sqlite3.SQLITE_READONLY: "check that the file and its directory may be written",
    sqlite3.SQLITE_IOERR: "check the disk, then run `orchestrion verify`",
}


class CommitOutcomeUnknown(StoreError):
    """COMMIT itself failed, so the transaction may be in the file or not. `reopen`, then look what is there.

    Private to `persistence`: who writes answers from the receipts, or raises the cause as `translated`.
    """


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite, Peewee and the operating system raise in the body as `translated` does.

    A commit whose outcome is unknown leaves as its cause: a caller that needs the outcome checks before this.

    Raises:
        StoreFull, ForeignDatabase, DatabaseCorrupt, StoreError: with the driver's exception as cause.
    """
    try:
        yield
    except CommitOutcomeUnknown as error:
        raise translated(error.__cause__ or error, path) from error
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error, OSError) as error:
        raise translated(error, path) from error


def is_transient(error: BaseException) -> bool:
    """Whether a statement failed for a reason outside it: a full disk, a lock, an I/O error. It may be tried again."""
    if not isinstance(error, peewee.OperationalError | sqlite3.OperationalError):
        return False
    return _primary_code(error) != sqlite3.SQLITE_ERROR


def is_value_error(error: BaseException) -> bool:
    """Whether a statement failed because a value does not fit SQLite: it is too long, too large or no text. Each other
    try fails too, and statements with other values do not."""
    return isinstance(error, peewee.DataError | sqlite3.DataError | OverflowError | UnicodeEncodeError)


def translated(error: BaseException, path: Path) -> StoreError:
    """The contract's error for a failure of SQLite, Peewee or the operating system on `path`."""
    kind, message = _kind_and_message(error, path)
    return kind(message, path=str(path))


def _kind_and_message(error: BaseException, path: Path) -> tuple[type[StoreError], str]:
    if isinstance(error, OSError):
        if error.errno in _FULL_DISK:
            return StoreFull, f"{path}: the disk is full: make room and try again"
        reason = error.strerror or str(error)
        if error.errno in _NO_LOCKS:
            return StoreError, f"{path}: its file system does not lock files ({reason}): put it on a local disk"
        return StoreError, f"{path}: {reason}: check that its directory exists and may be read and written"
    match code := _primary_code(error):
        case sqlite3.SQLITE_FULL:
            return StoreFull, f"{path}: the disk is full: make room and try again"
        case sqlite3.SQLITE_IOERR if _code(error) == sqlite3.SQLITE_IOERR_SHMSIZE:
            return StoreFull, f"{path}: there is no room for the file beside it: make room and try again"
        case sqlite3.SQLITE_CORRUPT:
            return DatabaseCorrupt, f"{path} is damaged ({error}): run `orchestrion verify`, or restore a backup"
        case sqlite3.SQLITE_NOTADB:
            return ForeignDatabase, f"{path} is not a database: name another file"
        case _:
            advice = _ADVICE.get(code, "run `orchestrion verify`")
            return StoreError, f"{path}: {_driver_error(error)}: {advice}"


def _driver_error(error: BaseException) -> BaseException:
    """The exception of sqlite3, which Peewee wraps in its own."""
    driver: BaseException = getattr(error, "orig", error)
    return driver


def _primary_code(error: BaseException) -> int:
    return _code(error) & 0xFF


def _code(error: BaseException) -> int:
    """SQLite's extended code."""
    code: int = getattr(_driver_error(error), "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code
