"""No statement of a projection scans a table: the cost of an event does not grow with stored data."""

from __future__ import annotations

import re

import pytest

from orchestrion.persistence.projections import (
    checkpoints,
    pending_approvals,
    projects,
    thread_activities,
    thread_messages,
    thread_sessions,
    thread_turns,
    threads,
)
from tests.support.projection_scenarios import projection_database

INSERTS = {
    "projects.INSERT": projects.INSERT,
    "threads.INSERT": threads.INSERT,
    "thread_messages.UPSERT": thread_messages.UPSERT,
    "thread_activities.UPSERT": thread_activities.UPSERT,
    "thread_sessions.UPSERT": thread_sessions.UPSERT,
    "thread_turns.INSERT": thread_turns.INSERT,
    "checkpoints.UPSERT": checkpoints.UPSERT,
    "pending_approvals.INSERT": pending_approvals.INSERT,
}
SEARCHES = {
    "projects.update": (projects.update_statement(frozenset({"title", "updated_at"})), "(project_id=?)"),
    "threads.update": (threads.update_statement(frozenset({"updated_at", "latest_turn_id"})), "(thread_id=?)"),
    "thread_messages.REMOVE": (thread_messages.REMOVE, "(message_id=?)"),
    "thread_messages.REMOVE_OF_TURNS": (thread_messages.REMOVE_OF_TURNS, "(thread_id=?)"),
    "thread_activities.REMOVE_OF_TURNS": (thread_activities.REMOVE_OF_TURNS, "(thread_id=?)"),
    "thread_turns.SET_ASSISTANT_MESSAGE": (thread_turns.SET_ASSISTANT_MESSAGE, "(turn_id=?)"),
    "thread_turns.END_RUNNING": (
        thread_turns.END_RUNNING,
        "INDEX projection_thread_turns_running (thread_id=?)",
    ),
    "thread_turns.REMOVE": (thread_turns.REMOVE, "(turn_id=?)"),
    "checkpoints.REMOVE_ABOVE": (
        checkpoints.REMOVE_ABOVE,
        "(thread_id=? AND checkpoint_turn_count>?)",
    ),
    "pending_approvals.RESOLVE": (pending_approvals.RESOLVE, "(request_id=?)"),
    "pending_approvals.RESOLVE_OF_TURNS": (pending_approvals.RESOLVE_OF_TURNS, "(thread_id=?"),
    "pending_approvals.RESOLVE_ALL": (pending_approvals.RESOLVE_ALL, "(thread_id=?"),
}


def plan_of(statement: str) -> list[str]:
    parameters = dict.fromkeys(re.findall(r":(\w+)", statement), "[]")
    with projection_database() as database:
        steps = database.execute_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return [detail for *_, detail in steps]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_row_is_found_by_its_key(name: str) -> None:
    statement, key = SEARCHES[name]
    table, *listed = plan_of(statement)
    assert table.startswith("SEARCH projection_")
    assert key in table
    assert not [step for step in listed if "projection_" in step]


@pytest.mark.parametrize("name", INSERTS)
def test_an_insert_looks_at_no_other_row(name: str) -> None:
    assert plan_of(INSERTS[name]) == []


@pytest.mark.parametrize("name", INSERTS)
def test_a_row_is_never_replaced(name: str) -> None:
    assert "REPLACE" not in INSERTS[name]
    assert "ON CONFLICT" in INSERTS[name]
