"""The messages of a thread's turns, as an agent without a memory of its own reads them: from the projections alone."""

from __future__ import annotations

from typing import Final

import orjson
import peewee

from ..contracts.ids import ThreadId, TurnId
from ..contracts.read_model import MessageView
from ..contracts.values import Activity
from ..domain.attachments import ATTACHMENT_STORED, MESSAGE_ATTACHMENTS
from .snapshot import with_attachments

_EARLIER: Final = """
    WITH earlier AS (
        SELECT turn_id, turn_count, user_message_id FROM projection_thread_turns
        WHERE thread_id = :thread
        AND turn_count < (SELECT turn_count FROM projection_thread_turns WHERE turn_id = :before)
        AND turn_count > COALESCE((SELECT turn_count FROM projection_thread_turns WHERE turn_id = :after), -1)
        ORDER BY turn_count DESC LIMIT :turns
    )
"""
_FIELDS: Final = "message_id, role, text, messages.turn_id, is_streaming, created_at, updated_at"
_MESSAGES: Final = f"""
    {_EARLIER}
    SELECT {_FIELDS}, turn_count, messages.rowid AS arrival
    FROM earlier CROSS JOIN projection_thread_messages AS messages ON messages.message_id = earlier.user_message_id
    WHERE messages.thread_id = :thread
    UNION
    SELECT {_FIELDS}, turn_count, messages.rowid AS arrival
    FROM projection_thread_messages AS messages JOIN earlier ON earlier.turn_id = messages.turn_id
    WHERE messages.thread_id = :thread
    ORDER BY turn_count, arrival
"""
_ALL: Final = -1
_ATTACHMENTS: Final = (
    "SELECT activity_id, tone, kind, summary, payload_json, turn_id, created_at FROM projection_thread_activities"
    " WHERE thread_id = ? AND kind IN (?, ?) ORDER BY rowid"
)


def read_last_turn(database: peewee.SqliteDatabase, thread_id: ThreadId) -> TurnId | None:
    """The thread's turn with the highest count."""
    row = database.execute_sql(
        "SELECT turn_id FROM projection_thread_turns WHERE thread_id = ? ORDER BY turn_count DESC LIMIT 1", (thread_id,)
    ).fetchone()
    return None if row is None else TurnId(row[0])


def read_messages_of_turns(
    database: peewee.SqliteDatabase, thread_id: ThreadId, *, before: TurnId, after: TurnId | None, turns: int | None
) -> tuple[MessageView, ...]:
    """The messages of the thread's turns between two turns, both exclusive, in the order of turns, then of arrival.

    Of the last `turns` of those turns only. An `after` that a revert has removed leaves nothing out.
    """
    parameters = {"thread": thread_id, "before": before, "after": after, "turns": _ALL if turns is None else turns}
    rows = database.execute_sql(_MESSAGES, parameters).fetchall()
    messages = [
        MessageView(
            id=row[0],
            role=row[1],
            text=row[2],
            turn_id=row[3],
            streaming=bool(row[4]),
            created_at=row[5],
            updated_at=row[6],
        )
        for row in rows
    ]
    return with_attachments(messages, _read_attachment_activities(database, thread_id)) if messages else ()


def _read_attachment_activities(database: peewee.SqliteDatabase, thread_id: ThreadId) -> list[Activity]:
    rows = database.execute_sql(_ATTACHMENTS, (thread_id, MESSAGE_ATTACHMENTS, ATTACHMENT_STORED)).fetchall()
    return [
        Activity(
            id=row[0],
            tone=row[1],
            kind=row[2],
            summary=row[3],
            payload=orjson.loads(row[4]),
            turn_id=row[5],
            created_at=row[6],
        )
        for row in rows
    ]
