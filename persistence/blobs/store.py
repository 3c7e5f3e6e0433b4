"""Blobs as files: `<database>-blobs/ab/cd/abcd…`, named by the SHA-256 of their content.

- A file is written under a temporary name, synced, renamed, and its directories are synced. A crash leaves it whole or
  leaves a temporary file, which the collection removes.
- A file is never changed. Its digest is checked whenever it is read.
- Only the user of this process can read files and directories.

Every method blocks. One thread of one process writes: the write lane, or a command that owns the whole copy.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import attrs

from ...contracts.blobs import Blob, digest_of, digest_of_hexadecimal, hexadecimal
from ...contracts.errors import AttachmentUnreadable
from ...contracts.values import MAX_ATTACHMENT_BYTES, Digest
from ..crash_points import crash_point
from ..failures import translate_errors

FOLDER: Final = "-blobs"
"""The ending of the directory's name, after that of the database."""

_UNFINISHED: Final = "unfinished-"
_LEVEL: Final = re.compile(r"[0-9a-f]{2}", re.ASCII)
_NAME_BYTES: Final = 8
_READ_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_MISSING: Final = (errno.ENOENT, errno.ENOTDIR)


@attrs.frozen(kw_only=True)
class StoredBlob:
    """A file of the store. `touched_at` is when it was stored last, in seconds since the epoch."""

    digest: Digest
    size: int
    touched_at: float


class BlobStore:
    """The blobs of one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, database: Path) -> Self:
        """The store of the database at this path. Nothing is created before the first blob is stored."""
        return cls(database.with_name(f"{database.name}{FOLDER}"))

    def put(self, blob: Blob) -> None:
        """Store a blob durably, also where a damaged file has its name. Storing it again is harmless.

        Raises:
            StoreFull: the disk is full; nothing of the blob is left.
            StoreError: the directory or the file cannot be written; nothing of the blob is left.
        """
        place = self._place(blob.digest)
        with translate_errors(self.folder):
            for directory in (self.folder, place.parent.parent, place.parent):
                with suppress(FileExistsError):
                    directory.mkdir(mode=0o700)
            if self._holds(place, blob):
                os.utime(place)  # it is young again for a collection
            else:
                self._write(place, blob.content)
            # Also for a file that was there: the host that wrote it may have died before it got this far.
            for directory in (place.parent, place.parent.parent, self.folder, self.folder.parent):
                _sync_directory(directory)

    def read(self, digest: Digest) -> bytes:
        """The content of a blob.

        Raises:
            AttachmentUnreadable: the file is missing, is no regular file, or has another content.
            StoreError: the file cannot be opened or read.
        """
        place = self._place(digest)
        try:
            with translate_errors(place):
                content = _read_regular_file(place)
        except _NoRegularFile as error:
            raise AttachmentUnreadable(digest, str(error), path=str(place)) from None
        if digest_of(content) != digest:
            raise AttachmentUnreadable(digest, "has another content", path=str(place))
        return content

    def walk(self) -> Iterator[StoredBlob]:
        """Every blob, in no order. What is no blob is left out.

        Raises:
            StoreError: a directory cannot be read.
        """
        with translate_errors(self.folder):
            for first in _subdirectories(self.folder):
                for second in _subdirectories(first):
                    yield from self._blobs_in(second)

    def find(self, digest: Digest) -> StoredBlob | None:
        """The file of a blob, whose content is not looked at; None where there is none."""
        try:
            facts = os.lstat(self._place(digest))
        except OSError:
            return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        return StoredBlob(digest=digest, size=facts.st_size, touched_at=facts.st_mtime)

    def remove(self, digest: Digest) -> None:
        """Remove a blob that nothing refers to. Harmless where it is gone.

        Raises:
            StoreError: the file cannot be removed.
        """
        with translate_errors(self.folder):
            self._place(digest).unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Remove the temporary files of hosts that died. Only for the one writer of the store.

        Raises:
            StoreError: the directory cannot be read, or a file not be removed.
        """
        with translate_errors(self.folder), suppress(FileNotFoundError):
            for name in os.listdir(self.folder):
                if name.startswith(_UNFINISHED):
                    (self.folder / name).unlink(missing_ok=True)

    def _place(self, digest: Digest) -> Path:
        digits = hexadecimal(digest)
        return self.folder / digits[:2] / digits[2:4] / digits

    @staticmethod
    def _holds(place: Path, blob: Blob) -> bool:
        try:
            return _read_regular_file(place) == blob.content
        except (_NoRegularFile, OSError):
            return False

    def _write(self, place: Path, content: bytes) -> None:
        unfinished = self.folder / f"{_UNFINISHED}{secrets.token_hex(_NAME_BYTES)}"
        descriptor = os.open(unfinished, _WRITE_FLAGS, 0o600)
        try:
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            crash_point("blob.written")
            unfinished.replace(place)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    @staticmethod
    def _blobs_in(directory: Path) -> Iterator[StoredBlob]:
        with os.scandir(directory) as entries:
            for entry in entries:
                digest = digest_of_hexadecimal(entry.name)
                if digest is None or not entry.is_file(follow_symlinks=False):
                    continue
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    yield StoredBlob(digest=digest, size=facts.st_size, touched_at=facts.st_mtime)


class _NoRegularFile(Exception):
    """What is at a blob's place is not what was stored there."""


def _read_regular_file(place: Path) -> bytes:
    """The content of a file, up to one byte more than a blob may have."""
    try:
        descriptor = os.open(place, _READ_FLAGS)
    except OSError as error:
        if error.errno in _MISSING:
            raise _NoRegularFile("is missing") from None
        if error.errno == errno.ELOOP:
            raise _NoRegularFile("is a symbolic link") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _NoRegularFile("is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_ATTACHMENT_BYTES + 1)
    finally:
        os.close(descriptor)


def _subdirectories(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [
                directory / entry.name
                for entry in entries
                if _LEVEL.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
