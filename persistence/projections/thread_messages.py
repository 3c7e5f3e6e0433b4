"""`projection.thread-messages`: one row a message, with the text that has arrived so far.

A batch is folded message by message before it is written: a hundred deltas to a message are one concatenation, and
the rows still appear in the order in which their messages did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...runtime.contracts.codec import dump_json
from ...runtime.contracts.events import PersistedEvent, ThreadMessageSent, ThreadReverted
from ..models import ProjectionThreadMessage as Message
from .base import compiled, execute_many, listed, parameter, upsert

UPSERT: Final = upsert(
    Message,
    key=[Message.message_id],
    owner=Message.thread_id,
    text=peewee.Case(None, [(parameter("replaces"), peewee.EXCLUDED.text)], Message.text.concat(peewee.EXCLUDED.text)),
    is_streaming=peewee.EXCLUDED.is_streaming,
    turn_id=peewee.fn.COALESCE(Message.turn_id, peewee.EXCLUDED.turn_id),
    updated_at=peewee.EXCLUDED.updated_at,
)
REMOVE: Final = compiled(
    Message.delete().where(
        Message.message_id == parameter("message_id"),
        Message.thread_id == parameter("thread_id"),
    )
)
REMOVE_OF_TURNS: Final = compiled(
    Message.delete().where(
        Message.thread_id == parameter("thread_id"),
        listed(Message.turn_id, "turn_ids"),
    )
)


@attrs.define
class _Arrived:
    """What a batch holds of one message. `replaces`: the text takes the row's place instead of following it."""

    first: ThreadMessageSent
    last: ThreadMessageSent
    pieces: list[str]
    replaces: bool
    turn_id: str | None

    def follow_with(self, sent: ThreadMessageSent) -> None:
        self.last = sent
        if self.turn_id is None:
            self.turn_id = sent.turn_id
        if not sent.text:
            return
        if not sent.streaming:
            self.pieces.clear()
            self.replaces = True
        self.pieces.append(sent.text)


_Folded = dict[tuple[str, str], _Arrived]


@attrs.frozen
class ThreadMessagesProjection:
    name: ClassVar[str] = "projection.thread-messages"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = Message
    handles: ClassVar[frozenset[str]] = frozenset({ThreadMessageSent.event_type, ThreadReverted.event_type})

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        folded: _Folded = {}
        for event in events:
            match event.payload:
                case ThreadMessageSent() as sent:
                    arrived = folded.get((event.stream_id, sent.message_id))
                    if arrived is None:
                        folded[event.stream_id, sent.message_id] = _arrived(sent)
                    else:
                        arrived.follow_with(sent)
                case ThreadReverted() as reverted:
                    _write(database, folded)
                    folded = {}
                    _remove(database, event.stream_id, reverted)
        _write(database, folded)


def _arrived(sent: ThreadMessageSent) -> _Arrived:
    return _Arrived(
        first=sent,
        last=sent,
        pieces=[sent.text],
        replaces=not sent.streaming and sent.text != "",
        turn_id=sent.turn_id,
    )


def _write(database: peewee.SqliteDatabase, folded: _Folded) -> None:
    rows = [
        {
            "message_id": message_id,
            "thread_id": thread_id,
            "turn_id": arrived.turn_id,
            "role": arrived.first.role,
            "text": "".join(arrived.pieces),
            "is_streaming": int(arrived.last.streaming),
            "created_at": arrived.first.created_at,
            "updated_at": arrived.last.updated_at,
            "replaces": arrived.replaces,
        }
        for (thread_id, message_id), arrived in folded.items()
    ]
    execute_many(database, UPSERT, rows)


def _remove(database: peewee.SqliteDatabase, thread_id: str, reverted: ThreadReverted) -> None:
    messages = [{"message_id": message_id, "thread_id": thread_id} for message_id in reverted.removed_message_ids]
    execute_many(database, REMOVE, messages)
    if reverted.removed_turn_ids:
        turns = {"thread_id": thread_id, "turn_ids": dump_json(reverted.removed_turn_ids)}
        database.execute_sql(REMOVE_OF_TURNS, turns)
