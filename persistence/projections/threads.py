"""`projection.threads`: one row per thread, kept after its deletion with `deleted_at` set.

What a batch changes of a thread is gathered first and written with one UPDATE, whatever number of events stand
behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadCreated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadMetaUpdated,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from ...contracts.values import Unset
from ..models import ProjectionThread
from .base import Row, compiled, execute_many, insert_unless_present, parameter

INSERT: Final = insert_unless_present(ProjectionThread)

NO_MODEL: Final = ""
"""What the column holds for a thread without a model of its own."""


@cache
def update_statement(columns: frozenset[str]) -> str:
    """Set `columns` of one thread."""
    changes = {getattr(ProjectionThread, column): parameter(column) for column in sorted(columns)}
    return compiled(ProjectionThread.update(changes).where(ProjectionThread.thread_id == parameter("thread_id")))


@attrs.frozen
class ThreadsProjection:
    name: ClassVar[str] = "projection.threads"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = ProjectionThread
    handles: ClassVar[frozenset[str]] = frozenset(
        payload.event_type
        for payload in (
            ThreadCreated,
            ThreadMetaUpdated,
            ThreadDeleted,
            ThreadMessageSent,
            ThreadActivityAppended,
            ThreadSessionSetEvent,
            ThreadTurnDiffCompleted,
            ThreadReverted,
        )
    )

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        changes: dict[str, dict[str, object]] = {}
        for event in events:
            thread_id = event.stream_id
            if isinstance(event.payload, ThreadCreated):
                # What came before the row has no row to change, and must not reach the new one.
                _update(database, {thread_id: changes.pop(thread_id, {})})
                database.execute_sql(INSERT, _new_row(thread_id, event.payload))
            else:
                changes.setdefault(thread_id, {}).update(_changed_columns(event))
        _update(database, changes)


def _changed_columns(event: PersistedEvent) -> dict[str, object]:
    match event.payload:
        case ThreadMessageSent() | ThreadActivityAppended():
            return {"updated_at": event.occurred_at}
        case ThreadSessionSetEvent(session=session):
            if session.active_turn_id is None:
                return {"updated_at": event.occurred_at}
            return {"updated_at": event.occurred_at, "latest_turn_id": session.active_turn_id}
        case ThreadTurnDiffCompleted(turn_id=turn_id):
            return {"updated_at": event.occurred_at, "latest_turn_id": turn_id}
        case ThreadReverted(latest_turn_id=latest_turn_id):
            return {"updated_at": event.occurred_at, "latest_turn_id": latest_turn_id}
        case ThreadMetaUpdated() as updated:
            return _present_fields(updated)
        case ThreadDeleted(deleted_at=deleted_at):
            return {"updated_at": deleted_at, "deleted_at": deleted_at}
        case _:
            return {}


def _present_fields(updated: ThreadMetaUpdated) -> dict[str, object]:
    fields: dict[str, object] = {
        "title": updated.title,
        "model": updated.model,
        "branch": updated.branch,
        "worktree_path": updated.worktree_path,
        "updated_at": updated.updated_at,
    }
    return {column: value for column, value in fields.items() if not isinstance(value, Unset)}


def _new_row(thread_id: str, created: ThreadCreated) -> dict[str, object]:
    return {
        "thread_id": thread_id,
        "project_id": created.project_id,
        "title": created.title,
        "model": NO_MODEL if isinstance(created.model, Unset) else created.model,
        "branch": created.branch,
        "worktree_path": created.worktree_path,
        "latest_turn_id": None,
        "created_at": created.created_at,
        "updated_at": created.updated_at,
        "deleted_at": None,
    }


def _update(database: peewee.SqliteDatabase, changes: Mapping[str, Mapping[str, object]]) -> None:
    by_columns: dict[frozenset[str], list[Row]] = {}
    for thread_id, columns in changes.items():
        if columns:
            by_columns.setdefault(frozenset(columns), []).append({**columns, "thread_id": thread_id})
    for changed, rows in by_columns.items():
        execute_many(database, update_statement(changed), rows)
