"""`projection.thread-turns`: one row per turn, from its hand-over to its end.

A turn is opened by the `session-set` that says so, and ends once: by the first later fact of its thread that no
longer names it, or by the thread's deletion. What is over stays over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.events import (
    PersistedEvent,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadReverted,
    ThreadSessionSetEvent,
)
from ...contracts.values import OpenedTurn, SessionStatus, TurnStatus
from ..models import ProjectionThreadTurn as Turn
from .base import compiled, execute_many, insert_unless_present, literal, parameter

INSERT: Final = insert_unless_present(Turn)
SET_ASSISTANT_MESSAGE: Final = compiled(
    Turn.update({Turn.assistant_message_id: parameter("message_id")}).where(
        Turn.turn_id == parameter("turn_id"),
        Turn.thread_id == parameter("thread_id"),
    )
)
END_RUNNING: Final = compiled(
    Turn.update({Turn.status: parameter("status"), Turn.completed_at: parameter("completed_at")}).where(
        Turn.thread_id == parameter("thread_id"),
        Turn.status == literal("running"),
        peewee.Expression(Turn.turn_id, peewee.OP.IS_NOT, parameter("kept_turn_id")),
    )
)
REMOVE: Final = compiled(
    Turn.delete().where(
        Turn.turn_id == parameter("turn_id"),
        Turn.thread_id == parameter("thread_id"),
    )
)

_ENDS_AS: Final[Mapping[SessionStatus, TurnStatus]] = {
    "ready": "completed",
    "idle": "completed",
    "error": "error",
    "stopped": "interrupted",
    "interrupted": "interrupted",
    "starting": "interrupted",
    "running": "interrupted",
}
"""How a running turn ended that the thread's session, now with this status, no longer names."""

_Answers = dict[tuple[str, str], str]
"""The latest assistant message of a turn, by thread and turn."""


@attrs.frozen
class ThreadTurnsProjection:
    name: ClassVar[str] = "projection.thread-turns"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = Turn
    handles: ClassVar[frozenset[str]] = frozenset(
        payload.event_type for payload in (ThreadMessageSent, ThreadSessionSetEvent, ThreadDeleted, ThreadReverted)
    )

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        answers: _Answers = {}
        for event in events:
            match event.payload:
                case ThreadMessageSent(role="assistant", turn_id=str(turn_id), message_id=message_id):
                    answers[event.stream_id, turn_id] = message_id
                case ThreadSessionSetEvent() as change:
                    session = change.session
                    _end_running(database, event, _ENDS_AS[session.status], kept=session.active_turn_id)
                    if session.active_turn_id is not None and isinstance(change.turn, OpenedTurn):
                        # Messages that came before the row do not count for it.
                        answers = _write(database, answers)
                        database.execute_sql(INSERT, _new_row(event.stream_id, session.active_turn_id, change.turn))
                case ThreadDeleted():
                    _end_running(database, event, "interrupted", kept=None)
                case ThreadReverted(removed_turn_ids=removed):
                    rows = [{"turn_id": turn_id, "thread_id": event.stream_id} for turn_id in removed]
                    execute_many(database, REMOVE, rows)
        _write(database, answers)


def _write(database: peewee.SqliteDatabase, answers: _Answers) -> _Answers:
    rows = [
        {"thread_id": thread_id, "turn_id": turn_id, "message_id": message_id}
        for (thread_id, turn_id), message_id in answers.items()
    ]
    execute_many(database, SET_ASSISTANT_MESSAGE, rows)
    return {}


def _end_running(
    database: peewee.SqliteDatabase, event: PersistedEvent, status: TurnStatus, *, kept: str | None
) -> None:
    ending = {
        "thread_id": event.stream_id,
        "status": status,
        "completed_at": event.occurred_at,
        "kept_turn_id": kept,
    }
    database.execute_sql(END_RUNNING, ending)


def _new_row(thread_id: str, turn_id: str, opened: OpenedTurn) -> dict[str, object]:
    return {
        "turn_id": turn_id,
        "thread_id": thread_id,
        "turn_count": opened.turn_count,
        "status": "running",
        "user_message_id": opened.user_message_id,
        "assistant_message_id": None,
        "started_at": opened.started_at,
        "completed_at": None,
    }
