"""`orchestrion events`: the log as JSON Lines, up to its head or on and on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click
import orjson
import peewee

from ...contracts.errors import NotFound, SequenceAheadOfLog
from ...contracts.event_codec import event_json
from ...contracts.ids import ThreadId
from ...persistence.event_store import EventPage, StreamRequest, read_events, read_head, read_stream_position
from ...persistence.inspection import open_read_only
from .output import write_bytes
from .parameters import database_argument

_PAGE_EVENTS: Final = 1000
_POLL_SECONDS: Final = 0.1


@click.command()
@database_argument
@click.option("--after", metavar="N", type=click.IntRange(min=0), default=0, help="Only events after this sequence.")
@click.option("--thread", "thread_id", metavar="ID", help="Only events of this thread.")
@click.option("--follow", is_flag=True, help="Keep printing new events until interrupted.")
def events(database: Path, after: int, thread_id: str | None, follow: bool) -> None:
    """Print the log as JSON Lines, one event per line, in order of sequence.

    Only reads DB; works while a runtime owns it.
    """
    stream = None if thread_id is None else ThreadId(thread_id)
    with open_read_only(database) as opened:
        head = read_head(opened).sequence
        if after > head:
            raise SequenceAheadOfLog(after, head)
        if stream is not None and not _exists(opened, stream):
            raise NotFound("thread", stream)
        position = _write_up_to_head(opened, after, stream)
        while follow:
            time.sleep(_POLL_SECONDS)
            position = _write_up_to_head(opened, position, stream)


def _exists(database: peewee.SqliteDatabase, thread_id: ThreadId) -> bool:
    return read_stream_position(database, StreamRequest(aggregate_kind="thread", stream_id=thread_id)).version > 0


def _write_up_to_head(database: peewee.SqliteDatabase, after: int, thread_id: ThreadId | None) -> int:
    """Print what comes after a sequence, page by page, and return the sequence that was reached."""
    head = read_head(database).sequence
    if head <= after:
        return after
    position = after
    while page := read_events(database, EventPage(after=position, limit=_PAGE_EVENTS, up_to=head, thread_id=thread_id)):
        write_bytes(b"".join(orjson.dumps(event_json(event)) + b"\n" for event in page))
        position = page[-1].sequence
    return head
