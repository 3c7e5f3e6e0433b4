"""What the database knows of threads' workspaces and turns, for the refs that keep their captures."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import attrs
import peewee

from ..contracts.events import (
    PersistedEvent,
    ThreadCheckpointRevertRequested,
    ThreadTurnStartRequested,
)
from ..contracts.ids import EventId, ThreadId, TurnId
from .event_store import read_intents_of, read_open_intents

_STARTS = ThreadTurnStartRequested.event_type
_REVERTS = ThreadCheckpointRevertRequested.event_type


class UncapturedTurn(NamedTuple):
    """A turn that has no checkpoint row."""

    thread_id: ThreadId
    turn_id: TurnId
    turn_count: int
    workspace: str


@attrs.frozen(kw_only=True)
class KnownCaptures:
    """What a thread's captures may be of: every turn that it ever had, and every request to revert it."""

    turns: frozenset[TurnId]
    requests: frozenset[EventId]


@attrs.frozen(kw_only=True)
class ThreadWorkspaces:
    """A thread, where its captures may be, its turns' ids by their counts, and the requests to revert that are open.

    `known` is what captures may be of, turns that were reverted included.
    """

    thread_id: ThreadId
    is_deleted: bool
    places: tuple[Path, ...]
    turns: dict[int, TurnId]
    open_reverts: tuple[EventId, ...]
    known: KnownCaptures


def read_known_captures(database: peewee.SqliteDatabase, thread_id: ThreadId) -> KnownCaptures:
    """Every turn and request to revert of a thread, those that a revert removed included, by the index of intents."""
    intents = read_intents_of(database, thread_id)
    turns = {
        TurnId(turn_id)
        for (turn_id,) in database.execute_sql(
            "SELECT turn_id FROM projection_thread_turns WHERE thread_id = ?", (thread_id,)
        ).fetchall()
    }
    return KnownCaptures(
        turns=frozenset(
            turns.union(turn_id for _, kind, turn_id in intents if turn_id is not None and kind == _STARTS)
        ),
        requests=frozenset(event_id for event_id, kind, _ in intents if kind == _REVERTS),
    )


def read_uncaptured_turns(database: peewee.SqliteDatabase) -> list[UncapturedTurn]:
    """The latest turns of live threads that have no checkpoint row. Nothing runs yet: a running turn is a dead host's.

    A turn's hand-over waits for the capture of the turn before, so no earlier turn can lack one. The cost is that of
    the threads, not of the log. Projections are at the head.
    """
    rows = database.execute_sql(
        "SELECT thread.thread_id, turn.turn_id, turn.turn_count,"
        " COALESCE(thread.worktree_path, project.workspace_root)"
        " FROM projection_threads AS thread"
        " JOIN projection_projects AS project ON project.project_id = thread.project_id"
        " JOIN projection_thread_turns AS turn ON turn.turn_id = thread.latest_turn_id"
        " LEFT JOIN projection_checkpoints AS checkpoint"
        " ON checkpoint.thread_id = turn.thread_id AND checkpoint.checkpoint_turn_count = turn.turn_count"
        " WHERE thread.deleted_at IS NULL AND checkpoint.turn_id IS NULL"
    ).fetchall()
    return [UncapturedTurn(ThreadId(row[0]), TurnId(row[1]), row[2], row[3]) for row in rows]


def read_thread_workspaces(database: peewee.SqliteDatabase) -> list[ThreadWorkspaces]:
    """All threads that ever were, oldest first."""
    turns: dict[str, dict[int, TurnId]] = {}
    for thread_id, turn_count, turn_id in database.execute_sql(
        "SELECT thread_id, turn_count, turn_id FROM projection_thread_turns"
    ).fetchall():
        turns.setdefault(thread_id, {})[turn_count] = TurnId(turn_id)
    reverts: dict[str, list[EventId]] = {}
    for intent in read_open_intents(database, after=0):
        if isinstance(intent, PersistedEvent) and isinstance(intent.payload, ThreadCheckpointRevertRequested):
            reverts.setdefault(intent.stream_id, []).append(intent.event_id)
    rows = database.execute_sql(
        "SELECT thread.thread_id, thread.deleted_at IS NOT NULL, thread.worktree_path, project.workspace_root"
        " FROM projection_threads AS thread"
        " JOIN projection_projects AS project ON project.project_id = thread.project_id"
        " ORDER BY thread.created_at, thread.thread_id"
    ).fetchall()
    return [
        ThreadWorkspaces(
            thread_id=ThreadId(thread_id),
            is_deleted=bool(is_deleted),
            places=tuple(Path(place) for place in dict.fromkeys((worktree, root)) if place is not None),
            turns=turns.get(thread_id, {}),
            open_reverts=tuple(reverts.get(thread_id, ())),
            known=read_known_captures(database, ThreadId(thread_id)),
        )
        for thread_id, is_deleted, worktree, root in rows
    ]
