"""`projection.thread-activities`: one row an activity; one that is appended again takes its new content in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.codec import dump_json
from ...contracts.events import PersistedEvent, ThreadActivityAppended, ThreadCreated, ThreadReverted
from ...contracts.values import Activity
from ...domain.thread_provider import provider_activity
from ..models import ProjectionThreadActivity
from .base import compiled, execute_many, listed, parameter, upsert

UPSERT: Final = upsert(
    ProjectionThreadActivity,
    key=[ProjectionThreadActivity.activity_id],
    owner=ProjectionThreadActivity.thread_id,
)
REMOVE_OF_TURNS: Final = compiled(
    ProjectionThreadActivity.delete().where(
        ProjectionThreadActivity.thread_id == parameter("thread_id"),
        listed(ProjectionThreadActivity.turn_id, "turn_ids"),
    )
)


@attrs.frozen
class ThreadActivitiesProjection:
    name: ClassVar[str] = "projection.thread-activities"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = ProjectionThreadActivity
    handles: ClassVar[frozenset[str]] = frozenset(
        {ThreadCreated.event_type, ThreadActivityAppended.event_type, ThreadReverted.event_type}
    )

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        rows: list[dict[str, object]] = []
        for event in events:
            match event.payload:
                case ThreadCreated() as created if (derived := provider_activity(event, created)) is not None:
                    rows.append(_row(event.stream_id, derived))
                case ThreadActivityAppended(activity=activity):
                    rows.append(_row(event.stream_id, activity))
                case ThreadReverted(removed_turn_ids=removed) if removed:
                    execute_many(database, UPSERT, rows)
                    rows = []
                    turns = {"thread_id": event.stream_id, "turn_ids": dump_json(removed)}
                    database.execute_sql(REMOVE_OF_TURNS, turns)
        execute_many(database, UPSERT, rows)


def _row(thread_id: str, activity: Activity) -> dict[str, object]:
    return {
        "activity_id": activity.id,
        "thread_id": thread_id,
        "turn_id": activity.turn_id,
        "tone": activity.tone,
        "kind": activity.kind,
        "summary": activity.summary,
        "payload_json": dump_json(activity.payload),
        "created_at": activity.created_at,
    }
