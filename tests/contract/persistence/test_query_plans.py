"""No query at start-up or on a hot path scans a table: its cost depends on what it finds, not on the length of the log.

Each function runs on a small database while SQLite traces its statements; then the plan of each is checked. A partial
index may be scanned, because it holds only open items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import peewee
import pytest

from orchestrion import (
    EPOCH,
    ApprovalRequestId,
    CommandId,
    EventId,
    MessageId,
    ProjectId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.read_model import SnapshotRequest, TurnDiffRequest
from orchestrion.persistence import (
    bootstrap,
    decision_rows,
    diff_blobs,
    event_store,
    positions,
    provider_runtime,
    queued_turns,
    rebuild,
    receipts,
    recovery_rows,
    snapshot,
)
from orchestrion.persistence.blobs import references
from orchestrion.persistence.database import prepare
from orchestrion.persistence.decision_states import DecisionStates
from orchestrion.persistence.event_store import EventPage, StreamRequest
from orchestrion.persistence.projections import PROJECTIONS

THREAD = ThreadId("t1")
OPEN_ONLY = {
    "orchestration_events_intents",
    "projection_pending_approvals_pending",
    "projection_thread_messages_streaming",
    "projection_thread_turns_running",
    "provider_session_runtime_live",
}
"""The partial indexes. They hold open items only: a handful of rows in a log of any length."""

FEW_ROWS = {"sqlite_master", "projection_state", "orchestrion_projector_versions", "orchestrion_migrations"}
"""Tables with one row per projector, migration or index."""

ATTACHMENTS = "orchestration_events_attachments"
"""The partial index of what refers to attachments, which may be walked for all of them."""

Query = Callable[[peewee.SqliteDatabase], object]


QUERIES: dict[str, Query] = {
    "head": event_store.read_head,
    "page": lambda database: event_store.read_events(database, EventPage(after=10, limit=5, up_to=20)),
    "page of a thread": lambda database: event_store.read_events(
        database, EventPage(after=10, limit=5, thread_id=THREAD)
    ),
    "stream position": lambda database: event_store.read_stream_position(
        database, StreamRequest(aggregate_kind="thread", stream_id=THREAD)
    ),
    "events of a command": lambda database: event_store.read_events_of_command(database, CommandId("c")),
    "event by id": lambda database: event_store.read_event(database, EventId("e")),
    "open intents": lambda database: event_store.read_open_intents(database, after=3),
    "open intents of a thread": lambda database: event_store.read_open_intents_of(database, THREAD),
    "is settled": lambda database: event_store.is_intent_settled(database, EventId("e")),
    "one receipt": lambda database: receipts.find_receipts(database, [CommandId("a")]),
    "receipts of a group": lambda database: receipts.find_receipts(database, [CommandId("a"), CommandId("b")]),
    "project": lambda database: decision_rows.load_project(database, ProjectId("p1")),
    "thread": lambda database: decision_rows.load_thread(database, THREAD),
    "message": lambda database: decision_rows.load_message(database, MessageId("m1")),
    "owner of a turn": lambda database: decision_rows.load_owner_of_turn(database, TurnId("u1")),
    "owner of an approval": lambda database: decision_rows.load_owner_of_approval(database, ApprovalRequestId("r1")),
    "messages of turns": lambda database: decision_rows.read_messages_of_turns(
        database, THREAD, frozenset({TurnId("u1"), TurnId("u2")})
    ),
    "session": lambda database: decision_rows.read_session(database, THREAD),
    "decision states": lambda database: DecisionStates(database, limit=1),
    "positions": positions.read_positions,
    "check of positions": lambda database: bootstrap.check_positions(database, PROJECTIONS),
    "outdated projections": lambda database: rebuild.outdated_projections(database, PROJECTIONS),
    "replay from the head": lambda database: bootstrap.replay_to_head(
        database, bootstrap.ReplayRequest(projections=PROJECTIONS)
    ),
    "abandoned threads": lambda database: recovery_rows.read_abandoned_threads(database, intents_after=3),
    "live runtimes": provider_runtime.read_live_runtimes,
    "references to blobs": lambda database: list(references.read_references(database)),
    "references of a thread to blobs": lambda database: list(references.read_references(database, thread_id=THREAD)),
    "cut": snapshot.read_cut,
    "snapshot of a thread": lambda database: snapshot.read_snapshot(
        database, SnapshotRequest(thread_id=THREAD, detail="full")
    ),
    "waiting turns of a thread": lambda database: queued_turns.read_queued_turns(database, THREAD, up_to=20),
    "waiting turns of all threads": lambda database: queued_turns.read_queued_turns(database, None, up_to=20),
    "orders of waiting turns": lambda database: event_store.read_queue_orders(database, [THREAD, ThreadId("t2")]),
    "turn diff": lambda database: diff_blobs.find_diff(
        database, TurnDiffRequest(thread_id=THREAD, from_turn_count=0, to_turn_count=1)
    ),
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    opened = prepare(tmp_path / "state.db", EPOCH)
    opened.execute_sql(
        "INSERT INTO projection_projects (project_id, title, workspace_root, scripts_json, created_at, updated_at)"
        " VALUES ('p1', 'P', '/srv', '[]', ?, ?)",
        (EPOCH, EPOCH),
    )
    opened.execute_sql(
        "INSERT INTO projection_threads (thread_id, project_id, title, model, created_at, updated_at)"
        " VALUES (?, 'p1', 'T', 'm', ?, ?)",
        (THREAD, EPOCH, EPOCH),
    )
    yield opened
    opened.close()


def statements_of(database: peewee.SqliteDatabase, query: Query) -> list[str]:
    executed: list[str] = []
    database.connection().set_trace_callback(executed.append)
    try:
        query(database)
    finally:
        database.connection().set_trace_callback(None)
    return [statement for statement in executed if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b", statement)]


def walks(database: peewee.SqliteDatabase, statement: str) -> list[str]:
    """The steps of a plan that read a table or an index from end to end."""
    if statement.endswith("ORDER BY sequence DESC LIMIT 1"):  # the log's last row: the scan stops at its first row
        return []
    steps = [detail for *_, detail in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    return [step for step in steps if step.startswith("SCAN ") and not _is_bounded(step)]


def _is_bounded(step: str) -> bool:
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", step)
    table = step.split()[1]
    return (
        (index is not None and index[1] in {*OPEN_ONLY, ATTACHMENTS})
        or table in FEW_ROWS
        or table in ("json_each", "CONSTANT")
    )


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_its_rows_by_an_index(database: peewee.SqliteDatabase, name: str) -> None:
    statements = statements_of(database, QUERIES[name])
    assert statements
    assert {statement: walks(database, statement) for statement in statements} == {
        statement: [] for statement in statements
    }


@pytest.mark.spec("E76")
def test_orders_of_waiting_turns_are_found_by_their_own_index(database: peewee.SqliteDatabase) -> None:
    """By the index of a thread's events the search would pass all events after its last order."""
    (statement,) = (
        one for one in statements_of(database, QUERIES["orders of waiting turns"]) if "orchestration_events" in one
    )
    steps = [detail for *_, detail in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    assert "SEARCH orchestration_events USING INDEX orchestration_events_queue_orders" in "\n".join(steps)


def test_a_walk_would_be_seen(database: peewee.SqliteDatabase) -> None:
    walk = "SELECT count(*) FROM orchestration_events WHERE actor_kind = 'client'"
    assert walks(database, walk)
