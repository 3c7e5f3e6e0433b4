"""`projection.thread-messages`: one row per message, with the text that has arrived so far.

A batch is folded message by message before it is written: a hundred deltas to a message are one concatenation, and
the rows still appear in the order in which their messages did.

A row holds at most `MAX_ROW_BYTES` of text; then a marker counts what was cut. Agents are bounded below that where they
enter, so this is met by logs of older versions and by commands that bypass a session. Without it, one message that
outgrows SQLite's largest value would keep the whole table from its events.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.codec import dump_json
from ...contracts.cut_markers import cut_marker
from ...contracts.events import PersistedEvent, ThreadMessageSent, ThreadReverted
from ...contracts.text_repair import first_bytes
from ..models import ProjectionThreadMessage as Message
from .base import Row, compiled, execute_many, listed, parameter, upsert

MAX_ROW_BYTES: Final = 8 * 1024 * 1024

SIZE: Final = (
    "SELECT length(CAST(text AS BLOB)) FROM projection_thread_messages"
    " WHERE message_id = :message_id AND thread_id = :thread_id"
)
TEXT: Final = "SELECT text FROM projection_thread_messages WHERE message_id = :message_id AND thread_id = :thread_id"
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
class _MessageText:
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


_MARKER: Final = re.compile(r"… \[cut: (\d+) characters\]")

_Folded = dict[tuple[str, str], _MessageText]


@attrs.frozen
class ThreadMessagesProjection:
    name: ClassVar[str] = "projection.thread-messages"
    version: ClassVar[int] = 2
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


def _arrived(sent: ThreadMessageSent) -> _MessageText:
    return _MessageText(
        first=sent,
        last=sent,
        pieces=[sent.text],
        replaces=not sent.streaming and sent.text != "",
        turn_id=sent.turn_id,
    )


def _write(database: peewee.SqliteDatabase, folded: _Folded) -> None:
    rows = [_row(database, thread_id, message_id, arrived) for (thread_id, message_id), arrived in folded.items()]
    execute_many(database, UPSERT, rows)


def _row(database: peewee.SqliteDatabase, thread_id: str, message_id: str, arrived: _MessageText) -> dict[str, object]:
    text, replaces = "".join(arrived.pieces), arrived.replaces
    size = len(text) if text.isascii() else len(text.encode())
    which = {"message_id": message_id, "thread_id": thread_id}
    before = "" if replaces or not text else _full_text(database, which, size)
    if before or size > MAX_ROW_BYTES:
        text, replaces = append_text(before, text), replaces or bool(before)
    return {
        **which,
        "turn_id": arrived.turn_id,
        "role": arrived.first.role,
        "text": text,
        "is_streaming": int(arrived.last.streaming),
        "created_at": arrived.first.created_at,
        "updated_at": arrived.last.updated_at,
        "replaces": replaces,
    }


def _full_text(database: peewee.SqliteDatabase, which: Row, size: int) -> str:
    """The row's text, where `size` more bytes do not fit; else nothing: the statement appends by itself."""
    found = database.execute_sql(SIZE, which).fetchone()
    if found is None or found[0] + size <= MAX_ROW_BYTES:
        return ""
    text: str = database.execute_sql(TEXT, which).fetchone()[0]
    return text


def append_text(text: str, more: str) -> str:
    """`text` and `more`, cut at the bound, with a marker that counts what was cut so far. Any split of a text into
    pieces leads to the same."""
    kept = first_bytes(text, MAX_ROW_BYTES)
    if len(kept) < len(text):
        marked = _MARKER.fullmatch(text, len(kept))
        assert marked is not None, "only a text that was cut is larger than the bound"
        return kept + cut_marker(int(marked[1]) + len(more))
    whole = text + more
    kept = first_bytes(whole, MAX_ROW_BYTES)
    return whole if len(kept) == len(whole) else kept + cut_marker(len(whole) - len(kept))


def _remove(database: peewee.SqliteDatabase, thread_id: str, reverted: ThreadReverted) -> None:
    messages = [{"message_id": message_id, "thread_id": thread_id} for message_id in reverted.removed_message_ids]
    execute_many(database, REMOVE, messages)
    if reverted.removed_turn_ids:
        turns = {"thread_id": thread_id, "turn_ids": dump_json(reverted.removed_turn_ids)}
        database.execute_sql(REMOVE_OF_TURNS, turns)
