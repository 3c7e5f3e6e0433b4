"""The log's table: appended events are read back equal, in order and complete; a second writer is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs
import peewee
import pytest

from orchestrion.contracts.event_codec import encode_event
from orchestrion.contracts.events import INTENT_TYPES, PersistedEvent, ThreadDeleted, UndecodableEvent
from orchestrion.contracts.ids import CommandId, EventId, ThreadId
from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.database import open_reader, prepare, write_transaction
from orchestrion.persistence.event_store import (
    EventPage,
    StreamRequest,
    append_events,
    is_intent_settled,
    read_event,
    read_events,
    read_events_of_command,
    read_head,
    read_open_intents,
    read_open_intents_of,
    read_rows,
    read_stream_position,
)
from tests.support.builders import at
from tests.support.random_commands import random_log

LOG = random_log(5, 1_200)
WHOLE = EventPage(after=0, limit=10_000)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    opened = prepare(tmp_path / "state.db", at(0))
    yield opened
    opened.close()


@pytest.fixture
def written(database: peewee.SqliteDatabase) -> peewee.SqliteDatabase:
    append(database, LOG)
    return database


def append(database: peewee.SqliteDatabase, events: list[PersistedEvent]) -> None:
    with write_transaction(database, durability="full"):
        append_events(database, [encode_event(event) for event in events])


@pytest.mark.spec("W1", "E1", "E14")
def test_appended_events_are_read_back_equal_and_in_order(written: peewee.SqliteDatabase) -> None:
    assert read_events(written, WHOLE) == LOG


@pytest.mark.lesson("L7")
@pytest.mark.spec("E14")
def test_pages_of_any_size_make_up_the_log(written: peewee.SqliteDatabase) -> None:
    for size in (1, 7, 1_000, len(LOG)):
        found: list[object] = []
        while page := read_events(written, EventPage(after=len(found), limit=size)):
            assert len(page) <= size
            found += page
        assert found == LOG


def test_a_page_may_end_at_a_sequence_and_hold_one_thread_alone(written: peewee.SqliteDatabase) -> None:
    assert read_events(written, EventPage(after=10, limit=1_000, up_to=20)) == LOG[10:20]
    thread = next(event.stream_id for event in LOG if event.aggregate_kind == "thread")
    page = EventPage(after=0, limit=10_000, thread_id=ThreadId(thread))
    assert read_events(written, page) == [
        event for event in LOG if (event.aggregate_kind, event.stream_id) == ("thread", thread)
    ]


@pytest.mark.spec("W1", "E2")
def test_a_second_writer_of_a_sequence_fails(written: peewee.SqliteDatabase) -> None:
    rival = attrs.evolve(LOG[-1], event_id=EventId("rival"), stream_id="elsewhere", stream_version=1)
    with pytest.raises(sqlite3.IntegrityError, match="sequence"):
        append(written, [rival])
    assert read_events(written, WHOLE) == LOG


@pytest.mark.spec("W1", "E3")
def test_a_stream_version_written_twice_fails_the_whole_batch(
    written: peewee.SqliteDatabase,
) -> None:
    head = len(LOG)
    fine = attrs.evolve(LOG[0], sequence=head + 1, event_id=EventId("fine"), stream_id="elsewhere")
    rival = attrs.evolve(LOG[-1], sequence=head + 2, event_id=EventId("rival"))
    with pytest.raises(sqlite3.IntegrityError, match="stream_version"):
        append(written, [fine, rival])
    assert read_events(written, WHOLE) == LOG


@pytest.mark.spec("E3")
def test_a_project_and_a_thread_of_one_id_are_two_streams(database: peewee.SqliteDatabase) -> None:
    project = next(event for event in LOG if event.aggregate_kind == "project")
    thread = next(event for event in LOG if event.aggregate_kind == "thread")
    append(
        database,
        [
            attrs.evolve(project, sequence=1, stream_id="same", stream_version=1),
            attrs.evolve(thread, sequence=2, stream_id="same", stream_version=1),
        ],
    )
    assert read_stream_position(database, StreamRequest(aggregate_kind="project", stream_id="same")) == (1, 1)
    assert read_stream_position(database, StreamRequest(aggregate_kind="thread", stream_id="same")) == (1, 2)


def test_head_and_stream_positions_name_the_last_event(
    database: peewee.SqliteDatabase,
) -> None:
    request = StreamRequest(aggregate_kind="thread", stream_id=LOG[-1].stream_id)
    assert read_head(database) == (0, EPOCH)
    assert read_stream_position(database, request) == (0, 0)
    append(database, LOG)
    assert read_head(database) == (LOG[-1].sequence, LOG[-1].occurred_at)
    assert read_stream_position(database, request) == (LOG[-1].stream_version, LOG[-1].sequence)


@pytest.mark.spec("E7")
def test_event_that_does_not_decode_keeps_its_place(written: peewee.SqliteDatabase) -> None:
    written.execute_sql("UPDATE orchestration_events SET payload_json = '{}' WHERE sequence = 3")
    written.execute_sql("UPDATE orchestration_events SET event_type = 'thread.sung' WHERE sequence = 4")
    broken, unknown = read_events(written, EventPage(after=2, limit=2))
    assert isinstance(broken, UndecodableEvent)
    assert (broken.sequence, broken.known, broken.payload_json) == (3, True, "{}")
    assert isinstance(unknown, UndecodableEvent)
    assert (unknown.sequence, unknown.known, unknown.event_type) == (4, False, "thread.sung")
    assert read_events(written, EventPage(after=4, limit=3)) == LOG[4:7]
    assert read_rows(written, EventPage(after=2, limit=1))[0].payload_json == "{}"


def test_events_of_a_command_and_any_event_are_found(written: peewee.SqliteDatabase) -> None:
    turn = next(event for event in LOG if event.event_type == "thread.turn-start-requested")
    command_id = CommandId(str(turn.command_id))
    assert read_events_of_command(written, command_id) == [event for event in LOG if event.command_id == command_id]
    assert read_events_of_command(written, CommandId("none")) == []
    assert read_event(written, turn.event_id) == turn
    assert read_event(written, EventId("none")) is None


@pytest.mark.spec("W15")
def test_open_intents_are_those_that_no_event_names_as_its_cause(written: peewee.SqliteDatabase) -> None:
    settled = {event.causation_event_id for event in LOG}
    deleted = {event.stream_id for event in LOG if isinstance(event.payload, ThreadDeleted)}
    unsettled = [event for event in LOG if event.event_type in INTENT_TYPES and event.event_id not in settled]
    assert unsettled
    for thread_id in deleted:
        written.execute_sql(
            "INSERT INTO projection_threads (thread_id, project_id, title, model, created_at, updated_at, deleted_at)"
            " VALUES (?, 'p', 't', 'm', ?, ?, ?)",
            (thread_id, EPOCH, EPOCH, EPOCH),
        )
    living = [event for event in unsettled if event.stream_id not in deleted]
    assert read_open_intents(written, after=0) == living
    assert read_open_intents(written, after=living[0].sequence) == living[1:]
    for thread_id in {event.stream_id for event in unsettled}:
        own = [event for event in unsettled if event.stream_id == thread_id]
        assert read_open_intents_of(written, ThreadId(thread_id)) == own
    assert not is_intent_settled(written, unsettled[0].event_id)
    assert is_intent_settled(written, EventId(str(next(one for one in settled if one is not None))))


def test_a_reader_sees_a_commit_whole_or_not_at_all(database: peewee.SqliteDatabase) -> None:
    reader = open_reader(Path(database.database))
    try:
        with write_transaction(database, durability="full"):
            append_events(database, [encode_event(event) for event in LOG[:50]])
            assert read_head(reader).sequence == 0
        assert read_head(reader).sequence == LOG[49].sequence
    finally:
        reader.close()
