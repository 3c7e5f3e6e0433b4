"""What tells one database from every other one, also from its copies: the name under which git keeps its captures.

- A database has one identity at a time, and remembers those it had. It is made when a runtime with providers first
  opens the file, or when it is backed up before that.
- With the identity stands the file that it belongs to: device, inode, path, and the machine. A file that was moved
  keeps its identity, and so does one whose device has another number after a restart.
- A copy is another file. `is_here` is then False, and the runtime that opens it for writing gives it a new identity
  (`renew_identity`), so that two databases never write to each other's refs. A backup belongs to no file.

The rows stand in the migrations' own bookkeeping, beside the projectors' versions: the identities in their order, each
in a row's name. Versions that do not know them pass over them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import attrs
import peewee

from .host_process import machine_id

_TABLE: Final = "orchestrion_projector_versions"
_ROW: Final = "database.identity"
_IDENTITY_BYTES: Final = 10
_UNKNOWN: Final = "-"


@attrs.frozen(kw_only=True)
class DatabaseIdentity:
    """The identity of a database, and those it had before, the latest first.

    `is_here` is False for a copy or a backup that has not been opened for writing where it is. `is_up_to_date` is False
    also where the file was moved since it was opened last.
    """

    id: str
    former: tuple[str, ...] = ()
    is_here: bool = True
    is_up_to_date: bool = True


@attrs.frozen(kw_only=True)
class DatabaseCopy:
    """A database that was copied, or restored from a backup.

    `original` is the identity of the database that it is a copy of. `is_new` says that no runtime with providers has
    opened the file where it is: what was asked for before it was copied is still open in it.
    """

    original: str
    is_new: bool


@attrs.frozen(kw_only=True)
class _FilePlace:
    """A file as a file system knows it. `_UNKNOWN` stands for what nothing says."""

    machine: str
    device: str
    inode: str
    path: str

    @classmethod
    def of(cls, path: Path) -> Self:
        facts = os.stat(path)
        return cls(
            machine=machine_id() or _UNKNOWN,
            device=str(facts.st_dev),
            inode=str(facts.st_ino),
            path=quote(os.fsencode(os.path.realpath(path)), safe="/"),
        )

    def is_same_file(self, other: _FilePlace) -> bool:
        """Whether both are one file: it may have been moved, or its file system have got another number."""
        if self.machine != other.machine and _UNKNOWN not in (self.machine, other.machine):
            return False
        return self.inode == other.inode and (self.device == other.device or self.path == other.path)


_NOWHERE: Final = _FilePlace(machine=_UNKNOWN, device=_UNKNOWN, inode=_UNKNOWN, path=_UNKNOWN)


def read_identity(database: peewee.SqliteDatabase, path: Path) -> DatabaseIdentity | None:
    """The identity of the database at `path`; None for one that never had any."""
    rows = _rows(database)
    if not rows:
        return None
    (identity, recorded), *before = rows
    place = _FilePlace.of(path)
    return DatabaseIdentity(
        id=identity,
        former=tuple(one for one, _ in before),
        is_here=recorded.is_same_file(place),
        is_up_to_date=recorded == place,
    )


def copy_of(identity: DatabaseIdentity | None) -> DatabaseCopy | None:
    """The copy that a database is, by its identity; None where it is not a copy, or that is not known."""
    if identity is None or (identity.is_here and not identity.former):
        return None
    return DatabaseCopy(
        original=identity.former[0] if identity.is_here else identity.id,
        is_new=not identity.is_here,
    )


def renew_identity(database: peewee.SqliteDatabase, path: Path) -> DatabaseIdentity:
    """Give the database an identity of its own if it has none here, and note which file it belongs to.

    Runs in the caller's transaction, which holds the database's lock.
    """
    place, rows = _FilePlace.of(path), _rows(database)
    if rows and rows[0][1].is_same_file(place):
        if rows[0][1] != place:
            _write(database, rows[0][0], place, ordinal=len(rows), replaced=rows[0][1])
        return DatabaseIdentity(id=rows[0][0], former=tuple(one for one, _ in rows[1:]))
    identity = secrets.token_hex(_IDENTITY_BYTES)
    _write(database, identity, place, ordinal=len(rows) + 1)
    return DatabaseIdentity(id=identity, former=tuple(one for one, _ in rows))


def detach_identity(database: peewee.SqliteDatabase) -> None:
    """Make the identity one of no file: this is a backup, and gets its own when it is opened for writing.

    One that never had any gets one of no file, so that it is known to be a copy.
    """
    rows = _rows(database)
    if not rows:
        _write(database, secrets.token_hex(_IDENTITY_BYTES), _NOWHERE, ordinal=1)
    elif rows[0][1] != _NOWHERE:
        _write(database, rows[0][0], _NOWHERE, ordinal=len(rows), replaced=rows[0][1])


def _rows(database: peewee.SqliteDatabase) -> list[tuple[str, _FilePlace]]:
    """Identities with their places, the latest first."""
    found = database.execute_sql(
        f"SELECT projector FROM {_TABLE} WHERE projector GLOB '{_ROW} *' ORDER BY version DESC"
    ).fetchall()
    rows = []
    for (text,) in found:
        _, identity, machine, device, inode, path = text.split(" ", 5)
        rows.append((identity, _FilePlace(machine=machine, device=device, inode=inode, path=path)))
    return rows


def _write(
    database: peewee.SqliteDatabase,
    identity: str,
    place: _FilePlace,
    *,
    ordinal: int,
    replaced: _FilePlace | None = None,
) -> None:
    if replaced is not None:
        database.execute_sql(f"DELETE FROM {_TABLE} WHERE projector = ?", (_name(identity, replaced),))
    database.execute_sql(f"INSERT INTO {_TABLE} (projector, version) VALUES (?, ?)", (_name(identity, place), ordinal))


def _name(identity: str, place: _FilePlace) -> str:
    return f"{_ROW} {identity} {place.machine} {place.device} {place.inode} {place.path}"
