"""One runtime owns a database file, for as long as it runs.

- Ownership is a lock of the operating system on `<file>.lock`: it ends with the process that holds it, however that
  ends, so a lock file that was left behind never blocks.
- Paths are resolved first: a symlink or a relative path names the same database, and a hard link is refused. Two locks
  in one process exclude each other like two processes. A process that was forked off the owner holds nothing.
- The owner is recorded in `<file>.owner`, for messages and inspection only: it proves nothing.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import filelock

from ..contracts.errors import DatabaseInUse, StoreError
from ..contracts.values import Instant
from .database import database_path, refuse_second_name
from .failures import translate_errors
from .host_process import HostProcess


@attrs.frozen(kw_only=True)
class Owner:
    """The process that owns a database, and since when. `started_at` and `boot_id` tell it from one with its pid."""

    pid: int
    host: str
    since: Instant
    started_at: int | None = attrs.field(default=None, eq=False)
    boot_id: str | None = attrs.field(default=None, eq=False)

    @property
    def process(self) -> HostProcess:
        return HostProcess(host=self.host, pid=self.pid, started_at=self.started_at, boot_id=self.boot_id)


class DatabaseLock:
    """The right to write one database file. Not reentrant; `since` is shown to others.

    Holding it on one thread and releasing it on another is allowed.
    """

    def __init__(self, path: Path, *, since: Instant) -> None:
        self.path = database_path(path)
        self._since = since
        # No soft fallback: a lock that is a mere file would outlive a killed process.
        self._lock = filelock.FileLock(
            f"{self.path}.lock", mode=0o600, thread_local=False, blocking=False, fallback_to_soft=False
        )

    @property
    def held(self) -> bool:
        return self._lock.is_locked

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            DatabaseInUse: a runtime of this or another process holds it.
            StoreFull: the disk is full.
            StoreError: the lock file cannot be created, its file system has no locks, or the database has hard links.
        """
        if self.held:
            raise self._in_use()
        refuse_second_name(self.path)
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path}: its directory does not exist: create it first", path=str(self.path))
        with translate_errors(self.path):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                raise self._in_use() from None
            except NotImplementedError as error:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
            try:
                _write_owner(self.path, _this_owner(self._since))
            except BaseException:
                self._lock.release()
                raise

    def release(self) -> None:
        """Give the lock up. Without effect when it is not held."""
        if not self.held:
            return
        with translate_errors(self.path):
            try:
                self._drop_owner()
            finally:
                self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _drop_owner(self) -> None:
        """Remove the owner's file. It is another runtime's where this one's lock was removed: then it stays."""
        owner = read_owner(self.path)
        if owner is None or (owner.pid, owner.since) == (os.getpid(), self._since):
            _owner_file(self.path).unlink(missing_ok=True)

    def _in_use(self) -> DatabaseInUse:
        owner = read_owner(self.path)
        if owner is None:
            return DatabaseInUse(str(self.path), None, None, None)
        return DatabaseInUse(str(self.path), owner.pid, owner.host, owner.since)


def read_owner(path: Path) -> Owner | None:
    """The recorded owner of the database; None without one, or if it is an ended process of this host.

    Takes no lock, so it never blocks a runtime; a runtime that is just starting may not be seen yet.
    """
    try:
        fields = json.loads(_owner_file(path.resolve()).read_text(encoding="utf-8"))
        started_at, boot = fields.get("started_at"), fields.get("boot_id")
        owner = Owner(
            pid=int(fields["pid"]),
            host=str(fields["host"]),
            since=Instant(str(fields["since"])),
            started_at=None if started_at is None else int(started_at),
            boot_id=None if boot is None else str(boot),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return owner if owner.host != socket.gethostname() or owner.process.is_running() else None


def _this_owner(since: Instant) -> Owner:
    process = HostProcess.current()
    return Owner(
        pid=process.pid, host=process.host, since=since, started_at=process.started_at, boot_id=process.boot_id
    )


def _owner_file(path: Path) -> Path:
    return Path(f"{path}.owner")


def _write_owner(path: Path, owner: Owner) -> None:
    """Replace the owner's file as a whole, so that no reader meets half of it."""
    new = Path(f"{path}.owner.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(attrs.asdict(owner), file)
        new.replace(_owner_file(path))
    except BaseException:
        new.unlink(missing_ok=True)
        raise
