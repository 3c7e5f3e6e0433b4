"""`projection.checkpoints`: one row per workspace snapshot, by the count of the turn that it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.codec import dump_json
from ...contracts.events import PersistedEvent, ThreadReverted, ThreadTurnDiffCompleted
from ...contracts.ids import ThreadId
from ..models import ProjectionCheckpoint
from .base import compiled, execute_many, parameter, upsert

UPSERT: Final = upsert(
    ProjectionCheckpoint,
    key=[ProjectionCheckpoint.thread_id, ProjectionCheckpoint.checkpoint_turn_count],
)
REMOVE_ABOVE: Final = compiled(
    ProjectionCheckpoint.delete().where(
        ProjectionCheckpoint.thread_id == parameter("thread_id"),
        ProjectionCheckpoint.checkpoint_turn_count > parameter("turn_count"),
    )
)


@attrs.frozen
class CheckpointsProjection:
    name: ClassVar[str] = "projection.checkpoints"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = ProjectionCheckpoint
    handles: ClassVar[frozenset[str]] = frozenset({ThreadTurnDiffCompleted.event_type, ThreadReverted.event_type})

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        rows: list[dict[str, object]] = []
        for event in events:
            match event.payload:
                case ThreadTurnDiffCompleted() as completed:
                    rows.append(_row(event.stream_id, completed))
                case ThreadReverted(turn_count=turn_count):
                    execute_many(database, UPSERT, rows)
                    rows = []
                    database.execute_sql(REMOVE_ABOVE, {"thread_id": event.stream_id, "turn_count": turn_count})
        execute_many(database, UPSERT, rows)


def _row(thread_id: str, completed: ThreadTurnDiffCompleted) -> dict[str, object]:
    return {
        "thread_id": thread_id,
        "turn_id": completed.turn_id,
        "checkpoint_turn_count": completed.checkpoint_turn_count,
        "checkpoint_ref": completed.checkpoint_ref,
        "status": completed.status,
        "files_json": dump_json(completed.files),
        "assistant_message_id": completed.assistant_message_id,
        "completed_at": completed.completed_at,
    }


def read_failed_checkpoints(database: peewee.SqliteDatabase, thread_id: ThreadId) -> frozenset[int]:
    """The counts of the thread's turns whose checkpoint is in error."""
    query = "SELECT checkpoint_turn_count FROM projection_checkpoints WHERE thread_id = ? AND status = 'error'"
    return frozenset(count for (count,) in database.execute_sql(query, (thread_id,)).fetchall())
