"""`projection.thread-sessions`: one row per thread that ever had a session, as it was last set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.events import PersistedEvent, ThreadSessionSetEvent
from ...contracts.values import Session
from ..models import ProjectionThreadSession
from .base import execute_many, upsert

UPSERT: Final = upsert(
    ProjectionThreadSession,
    key=[ProjectionThreadSession.thread_id],
)


@attrs.frozen
class ThreadSessionsProjection:
    name: ClassVar[str] = "projection.thread-sessions"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = ProjectionThreadSession
    handles: ClassVar[frozenset[str]] = frozenset({ThreadSessionSetEvent.event_type})

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        latest: dict[str, Session] = {}
        for event in events:
            if isinstance(event.payload, ThreadSessionSetEvent):
                latest[event.stream_id] = event.payload.session
        execute_many(database, UPSERT, [_row(thread_id, session) for thread_id, session in latest.items()])


def _row(thread_id: str, session: Session) -> dict[str, object]:
    return {
        "thread_id": thread_id,
        "status": session.status,
        "provider_name": session.provider_name,
        "provider_session_id": session.provider_session_id,
        "provider_thread_id": session.provider_thread_id,
        "active_turn_id": session.active_turn_id,
        "last_error": session.last_error,
        "updated_at": session.updated_at,
    }
