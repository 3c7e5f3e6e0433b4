"""Every fault below the public API, armed one by one and disarmed at once.

A crash is a copy of the directory, made at the crash point by the thread that reaches it: the files then are what
SIGKILL leaves. The writing thread waits meanwhile, or is appending to the WAL, which SQLite detects by its checksums.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import peewee
import pytest

from orchestrion.actors.backoff import Backoff
from orchestrion.actors.log import dispatcher, event_log
from orchestrion.actors.projecting import condition as projector_condition
from orchestrion.actors.projecting import projector, rebuilder
from orchestrion.contracts.errors import StoreError
from orchestrion.contracts.events import PersistedEvent
from orchestrion.persistence import bootstrap, command_group, crash_points, database, event_store, receipts
from orchestrion.persistence.projections import PROJECTIONS, Projection
from tests.support.interleaving.program import CommitEnd

NAMES: Final = tuple(one.name for one in PROJECTIONS)

Apply = Callable[[Any, peewee.SqliteDatabase, Sequence[PersistedEvent]], None]


class Injected(Exception):
    """A defect that a test added."""


class Faults:
    """Small bounds, and the faults of one database. Outside `sparing` every armed fault may happen."""

    def __init__(self, patch: pytest.MonkeyPatch, *, crash: Callable[[], None]) -> None:
        self.defects: dict[str, int] = {}
        self.has_struck = False
        """Whether a fault of the storage has been armed in this life: callers may get an error about it."""
        self._hiccups: dict[str, int] = {}
        self._statement: tuple[str, int] | None = None
        self._commit: tuple[CommitEnd, int] | None = None
        self._cannot_reopen = False
        self._points: dict[str, int] = {}
        self._crash = crash
        self._suspects: set[str] = set()
        self._nobody_can_write = False
        self._spares = 0
        self.database = ""
        """The file that faults of the storage are about."""
        _make_bounds_small(patch)
        patch.setattr(crash_points, "_left", self._points)
        patch.setattr(crash_points, "_reached", self._reach)
        for projection in PROJECTIONS:
            patch.setattr(type(projection), "apply", self._faulty(projection))
        patch.setattr(command_group, "append_events", self._failing("events", event_store.append_events))
        patch.setattr(command_group, "insert_receipts", self._failing("receipts", receipts.insert_receipts))
        patch.setattr(command_group, "reopen", self._reopening(database.reopen))
        patch.setattr(peewee.SqliteDatabase, "execute_sql", self._committing(peewee.SqliteDatabase.execute_sql))

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Nothing fails in the block, which looks at files and is not a host."""
        self._spares += 1
        try:
            yield
        finally:
            self._spares -= 1

    def crash_at(self, point: str, times: int) -> None:
        """Make the host die when it reaches the point for the n-th time."""
        self._points[point] = times

    def forget_crash(self) -> None:
        self._points.clear()

    @property
    def has_unknown_commit(self) -> bool:
        """Whether a commit's outcome could not be found out, which the runtime may not know yet."""
        return self._nobody_can_write

    def can_stall(self, projector: str) -> bool:
        """Whether this projector had a reason to halt in this life."""
        return self._nobody_can_write or projector in self._suspects

    def break_projector(self, name: str, sequence: int) -> None:
        """A defect: this projector fails at every event from this one on."""
        self.defects.setdefault(name, sequence)
        self._suspects.add(name)

    def disturb_projector(self, name: str, times: int) -> None:
        """The storage fails under this projector, this many times."""
        self._hiccups[name] = times
        self.has_struck = True

    def fail_statement(self, where: str, times: int) -> None:
        self._statement = (where, times)
        self.has_struck = True

    def fail_commit(self, end: CommitEnd, nth: int) -> None:
        self._commit = (end, nth)
        self.has_struck = True

    def calm(self) -> None:
        """The storage works again, and no crash is armed; defects stay."""
        self._hiccups.clear()
        self._points.clear()
        self._statement = self._commit = None
        self._cannot_reopen = self._nobody_can_write = False
        self._suspects = set(self.defects)
        self.has_struck = False

    def repair(self) -> set[str]:
        """Remove every defect; return the names of the projectors that had one."""
        repaired = set(self.defects)
        self.defects.clear()
        return repaired

    def _reach(self, name: str) -> None:
        self._points[name] -= 1
        if self._points[name] == 0:
            del self._points[name]
            self._crash()

    def _faulty(self, projection: Projection) -> Apply:
        apply, name = type(projection).apply, projection.name

        def faulty(one: Any, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
            apply(one, database, events)
            if self._spares:
                return
            if self._hiccups.get(name, 0):
                self._hiccups[name] -= 1
                raise _full()
            first = self.defects.get(name)
            if first is not None and any(event.sequence >= first for event in events):
                raise Injected(f"{name} has a defect")

        return faulty

    def _failing(self, where: str, write: Callable[..., None]) -> Callable[..., None]:
        def failing(*arguments: Any) -> None:
            write(*arguments)
            if self._statement is not None and self._statement[0] == where:
                times = self._statement[1] - 1
                self._statement = (where, times) if times else None
                raise _full()

        return failing

    def _reopening(self, reopen: Callable[[peewee.SqliteDatabase], None]) -> Callable[[peewee.SqliteDatabase], None]:
        def reopening(writer: peewee.SqliteDatabase) -> None:
            if self._cannot_reopen:
                writer.close()
                raise StoreError("injected: the file is gone")
            reopen(writer)

        return reopening

    def _committing(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def committing(database: peewee.SqliteDatabase, sql: str, *parameters: Any, **named: Any) -> Any:
            if sql != "COMMIT" or self._commit is None or self._spares or str(database.database) != self.database:
                return execute(database, sql, *parameters, **named)
            end, nth = self._commit
            self._commit = None if nth == 1 else (end, nth - 1)
            if nth > 1 or end != "before":
                execute(database, sql, *parameters, **named)
            if nth == 1:
                self._cannot_reopen = self._nobody_can_write = end == "lost"
                raise _failed("disk I/O error", sqlite3.SQLITE_IOERR)
            return None

        return committing


def _make_bounds_small(patch: pytest.MonkeyPatch) -> None:
    """Full channels, lazy positions, many pages and short waits, in a log of a hundred events."""
    patch.setattr(dispatcher, "MAILBOX_COMMANDS", 4)
    patch.setattr(dispatcher, "GROUP_COMMANDS", 5)
    patch.setattr(dispatcher, "MAILBOX_BYTES", 2_000)
    patch.setattr(dispatcher, "GROUP_BYTES", 1_500)
    patch.setattr(event_log, "CHANNEL_BATCHES", 2)
    patch.setattr(event_log, "CHANNEL_BYTES", 3_000)
    for method in (event_log.LogFollower.next_batch, event_log.LogFollower.next_batch_nowait):
        patch.setitem(method.__kwdefaults__, "limit", 4)  # type: ignore[arg-type]  # both have defaults
    patch.setattr(projector, "LAZY_EVENTS", 7)
    patch.setattr(projector_condition, "BACKOFF", Backoff(first_seconds=0.001, longest_seconds=1.0))
    patch.setattr(bootstrap, "PAGE_EVENTS", 7)
    patch.setattr(rebuilder, "PAGE_EVENTS", 7)
    patch.setattr(rebuilder, "LAST_EVENTS", 3)


def _full() -> peewee.OperationalError:
    return _failed("database or disk is full", sqlite3.SQLITE_FULL)


def _failed(message: str, code: int) -> peewee.OperationalError:
    driver = sqlite3.OperationalError(message)
    driver.sqlite_errorcode = code
    error = peewee.OperationalError(message)
    error.orig = driver  # type: ignore[attr-defined]  # as Peewee does
    return error
