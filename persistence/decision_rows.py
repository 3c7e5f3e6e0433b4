"""How a decision state is read back: versions and open intents from the log, the rest from projections' rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import attrs
import orjson
import peewee

from ..contracts.events import PersistedEvent
from ..contracts.ids import ApprovalRequestId, MessageId, ProjectId, ThreadId, TurnId
from ..contracts.values import Session
from ..domain.evolve import evolve_thread, ordered_queue
from ..domain.state import ApprovalFact, MessageFact, OwnerFact, ProjectState, ThreadState, TurnFact
from .approval_details import read_approval_details
from .event_store import (
    EventPage,
    StreamRequest,
    read_events,
    read_head,
    read_open_intents_of,
    read_queue_order,
    read_stream_position,
)
from .positions import read_position

_PAGE = 1000


def load_project(database: peewee.SqliteDatabase, project_id: ProjectId) -> ProjectState | None:
    row = database.execute_sql(
        "SELECT deleted_at IS NOT NULL, (SELECT count(*) FROM projection_threads AS thread"
        " WHERE thread.project_id = project.project_id AND thread.deleted_at IS NULL)"
        " FROM projection_projects AS project WHERE project_id = ?",
        (project_id,),
    ).fetchone()
    if row is None:
        return None
    position = read_stream_position(database, StreamRequest(aggregate_kind="project", stream_id=project_id))
    return ProjectState(
        project_id=project_id,
        deleted=bool(row[0]),
        version=position.version,
        last_sequence=position.sequence,
        live_threads=row[1],
    )


def load_thread(database: peewee.SqliteDatabase, thread_id: ThreadId) -> ThreadState | None:
    row = database.execute_sql(
        "SELECT project_id, deleted_at IS NOT NULL FROM projection_threads WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    if row is None:
        return None
    position = read_stream_position(database, StreamRequest(aggregate_kind="thread", stream_id=thread_id))
    turns, running = _read_turns(database, thread_id)
    loaded = ThreadState(
        thread_id=thread_id,
        project_id=ProjectId(row[0]),
        deleted=bool(row[1]),
        version=position.version,
        last_sequence=position.sequence,
        session=read_session(database, thread_id),
        running_turn_id=running,
        turns=turns,
        checkpoint_counts=_read_checkpoint_counts(database, thread_id),
        approvals=_read_approvals(database, thread_id),
    )
    return loaded if loaded.deleted else _with_open_intents(database, loaded)


def load_message(database: peewee.SqliteDatabase, message_id: MessageId) -> MessageFact | None:
    row = database.execute_sql(
        "SELECT thread_id, role, turn_id, is_streaming FROM projection_thread_messages WHERE message_id = ?",
        (message_id,),
    ).fetchone()
    if row is None:
        return None
    return MessageFact(last_sequence=0, thread_id=ThreadId(row[0]), role=row[1], turn_id=row[2], streaming=bool(row[3]))


def load_owner_of_turn(database: peewee.SqliteDatabase, turn_id: TurnId) -> OwnerFact | None:
    return _owner(database, "SELECT thread_id FROM projection_thread_turns WHERE turn_id = ?", turn_id)


def load_owner_of_approval(database: peewee.SqliteDatabase, request_id: ApprovalRequestId) -> OwnerFact | None:
    return _owner(database, "SELECT thread_id FROM projection_pending_approvals WHERE request_id = ?", request_id)


def _owner(database: peewee.SqliteDatabase, query: str, key: str) -> OwnerFact | None:
    row = database.execute_sql(query, (key,)).fetchone()
    return None if row is None else OwnerFact(last_sequence=0, thread_id=ThreadId(row[0]))


def read_messages_of_turns(
    database: peewee.SqliteDatabase, thread_id: ThreadId, turn_ids: frozenset[TurnId]
) -> list[MessageId]:
    """The projected messages of these turns of a thread, in order of arrival."""
    cursor = database.execute_sql(
        "SELECT message_id FROM projection_thread_messages"
        " WHERE thread_id = ? AND turn_id IN (SELECT value FROM json_each(?)) ORDER BY rowid",
        (thread_id, orjson.dumps(sorted(turn_ids)).decode()),
    )
    return [MessageId(row[0]) for row in cursor.fetchall()]


def read_unprojected(database: peewee.SqliteDatabase, projector: str) -> Iterator[PersistedEvent]:
    """The events that a projector has not applied: none unless it is stalled."""
    after, head = read_position(database, projector).last_applied_sequence, read_head(database).sequence
    while after < head:
        page = read_events(database, EventPage(after=after, limit=_PAGE))
        for event in page:
            if isinstance(event, PersistedEvent):
                yield event
        after = page[-1].sequence


def read_session(database: peewee.SqliteDatabase, thread_id: ThreadId) -> Session | None:
    """A thread's session as its projection has it."""
    row = database.execute_sql(
        "SELECT status, provider_name, provider_session_id, provider_thread_id, active_turn_id, last_error, updated_at"
        " FROM projection_thread_sessions WHERE thread_id = ?",
        (thread_id,),
    ).fetchone()
    if row is None:
        return None
    return Session(
        thread_id=thread_id,
        status=row[0],
        provider_name=row[1],
        provider_session_id=row[2],
        provider_thread_id=row[3],
        active_turn_id=row[4],
        last_error=row[5],
        updated_at=row[6],
    )


def _read_turns(database: peewee.SqliteDatabase, thread_id: ThreadId) -> tuple[dict[TurnId, TurnFact], TurnId | None]:
    cursor = database.execute_sql(
        "SELECT turn_id, turn_count, user_message_id, status FROM projection_thread_turns"
        " WHERE thread_id = ? ORDER BY turn_count",
        (thread_id,),
    )
    turns: dict[TurnId, TurnFact] = {}
    running: TurnId | None = None
    for turn_id, turn_count, user_message_id, status in cursor.fetchall():
        turns[turn_id] = TurnFact(turn_count=turn_count, user_message_id=user_message_id)
        if status == "running":
            running = turn_id
    return turns, running


def _read_checkpoint_counts(database: peewee.SqliteDatabase, thread_id: ThreadId) -> frozenset[int]:
    cursor = database.execute_sql(
        "SELECT checkpoint_turn_count FROM projection_checkpoints WHERE thread_id = ?", (thread_id,)
    )
    return frozenset(row[0] for row in cursor.fetchall())


def _read_approvals(database: peewee.SqliteDatabase, thread_id: ThreadId) -> dict[ApprovalRequestId, ApprovalFact]:
    cursor = database.execute_sql(
        "SELECT request_id, status, turn_id, created_at FROM projection_pending_approvals WHERE thread_id = ?",
        (thread_id,),
    )
    approvals = {}
    for request_id, status, turn_id, created_at in cursor.fetchall():
        is_pending = status == "pending"
        asked = read_approval_details(database, thread_id, request_id, asked_at=created_at) if is_pending else None
        approvals[request_id] = ApprovalFact(pending=is_pending, turn_id=turn_id, details=asked)
    return approvals


def _with_open_intents(database: peewee.SqliteDatabase, state: ThreadState) -> ThreadState:
    """`state` with its open intents: the fold of those events, with the state's own position kept."""
    for event in read_open_intents_of(database, state.thread_id):
        if isinstance(event, PersistedEvent):
            with_intent = cast("ThreadState", evolve_thread(state, event))
            state = _at(with_intent, state)
    if len(state.queue) < 2:
        return state
    return attrs.evolve(state, queue=ordered_queue(state.queue, read_queue_order(database, state.thread_id)))


def _at(state: ThreadState, position: ThreadState) -> ThreadState:
    return attrs.evolve(state, version=position.version, last_sequence=position.last_sequence)
