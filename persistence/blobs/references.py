"""The events that refer to blobs, found by a partial index: activities that name a digest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs
import orjson
import peewee

from ...contracts.errors import NotFound
from ...contracts.ids import ThreadId
from ...contracts.read_model import AttachmentView
from ...contracts.values import Digest
from ...domain.attachments import attachments_in

_INDEX: Final = "orchestration_events_attachments"
_REFERENCES: Final = (
    f"SELECT stream_id, sequence, payload_json FROM orchestration_events INDEXED BY {_INDEX}"
    " WHERE event_type = 'thread.activity-appended' AND instr(payload_json, '\"digest\":\"sha256:') > 0"
)
"""The condition is that of the index, word by word."""


@attrs.frozen(kw_only=True)
class BlobReference:
    """An event that refers to a blob."""

    thread_id: ThreadId
    sequence: int
    attachment: AttachmentView


def read_references(database: peewee.SqliteDatabase, *, thread_id: ThreadId | None = None) -> Iterator[BlobReference]:
    """Every reference to a blob, of one thread or of all; those of one thread in the order of the log.

    A database that lacks the index has none: a runtime that writes one has applied its migration.
    """
    if not _has_index(database):
        return
    where, parameters = ("", ()) if thread_id is None else (" AND stream_id = ?", (thread_id,))
    cursor = database.execute_sql(f"{_REFERENCES}{where} ORDER BY stream_id, sequence", parameters)
    for stream_id, sequence, payload in cursor:
        for attachment in attachments_in(_activity(payload)):
            yield BlobReference(thread_id=ThreadId(stream_id), sequence=sequence, attachment=attachment)


def find_reference(
    database: peewee.SqliteDatabase, digest: Digest, *, thread_id: ThreadId | None = None
) -> BlobReference:
    """The first reference to a blob, of one thread or of any.

    Raises:
        NotFound: there is none.
    """
    found = read_references(database, thread_id=thread_id)
    reference = next((one for one in found if one.attachment.digest == digest), None)
    if reference is None:
        raise NotFound(
            "attachment", digest, "does not exist" if thread_id is None else f"is none of thread {thread_id!r}"
        )
    return reference


def _has_index(database: peewee.SqliteDatabase) -> bool:
    row = database.execute_sql("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", (_INDEX,)).fetchone()
    return row is not None


def _activity(payload_json: str) -> Any:
    try:
        payload = orjson.loads(payload_json)
    except ValueError:  # damaged: it is reported where the event is read
        return None
    return payload.get("activity") if isinstance(payload, dict) else None
