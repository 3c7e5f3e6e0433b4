"""Where in the log a turn begins, found by its id."""

from __future__ import annotations

from typing import Final

import attrs
import peewee

from ..contracts.errors import NotFound
from ..contracts.events import INTENT_TYPES, ThreadSessionSetEvent, ThreadTurnStartRequested
from ..contracts.ids import ThreadId, TurnId


@attrs.frozen(kw_only=True)
class TurnPlace:
    """The turn's thread, and the sequence of the event that asked for the turn, or that opened an agent's own turn."""

    thread_id: ThreadId
    sequence: int


_INTENTS: Final = ", ".join(f"'{event_type}'" for event_type in INTENT_TYPES)
_IS_REQUEST: Final = (
    f"event_type IN ({_INTENTS}) AND event_type = '{ThreadTurnStartRequested.event_type}'"
    " AND json_extract(payload_json, '$.turnId') = ?"
)


def find_turn(database: peewee.SqliteDatabase, turn_id: TurnId) -> TurnPlace:
    """Find a turn that runs, is over or waits in the queue, also one that a revert removed.

    A turn that is in no row is looked for among all intents of the log.

    Raises:
        NotFound: there is none of this id.
    """
    owner = database.execute_sql(
        "SELECT thread_id FROM projection_thread_turns WHERE turn_id = ?", (turn_id,)
    ).fetchone()
    if owner is None:
        found = _find_first(database, f"INDEXED BY orchestration_events_intents WHERE {_IS_REQUEST}", turn_id)
    else:
        thread_id = owner[0]
        found = _find_first(
            database,
            f"INDEXED BY orchestration_events_thread_intents WHERE stream_id = ? AND {_IS_REQUEST}",
            thread_id,
            turn_id,
        ) or _find_first(
            database,
            "WHERE aggregate_kind = 'thread' AND stream_id = ? AND event_type = ?"
            " AND json_extract(payload_json, '$.session.activeTurnId') = ?",
            thread_id,
            ThreadSessionSetEvent.event_type,
            turn_id,
        )
    if found is None:
        raise NotFound("turn", turn_id)
    return found


def _find_first(database: peewee.SqliteDatabase, where: str, *parameters: str) -> TurnPlace | None:
    row = database.execute_sql(
        f"SELECT stream_id, sequence FROM orchestration_events {where} ORDER BY sequence LIMIT 1", parameters
    ).fetchone()
    return None if row is None else TurnPlace(thread_id=ThreadId(row[0]), sequence=row[1])
