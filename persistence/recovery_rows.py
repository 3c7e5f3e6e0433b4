"""What a dead host was doing, read by the partial indexes: the cost is that of what is open, not of the log."""

from __future__ import annotations

from collections import defaultdict

import peewee

from ..contracts.events import (
    PersistedEvent,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from ..contracts.ids import ThreadId, TurnId
from ..domain.answers import has_secrets
from ..domain.recover import AbandonedThread, CopiedIntent, OpenSteering, StreamingMessage, UndeliveredIntent
from .decision_rows import read_session
from .event_store import read_open_intents
from .provider_runtime import read_live_runtimes

_DELIVERED_ONCE = (ThreadTurnInterruptRequested.event_type, ThreadApprovalResponseRequested.event_type)

_PERFORMED_LATER = (ThreadTurnStartRequested, ThreadTurnSteerRequested, ThreadCheckpointRevertRequested)


def read_abandoned_threads(
    database: peewee.SqliteDatabase, *, intents_after: int, is_copy: bool = False, performs_copied: bool = False
) -> list[AbandonedThread]:
    """The live threads with a running turn, a streaming message, a pending approval, a live runtime row, or an
    interrupt or approval response that nothing settles. Projections are at the head.

    A backup has no live runtime rows, but sessions that were alive when it was made: with `is_copy`, all sessions are
    looked through. So are, unless `performs_copied`, its queued turns and open reverts.
    """
    running = dict(
        database.execute_sql(
            "SELECT thread_id, turn_id FROM projection_thread_turns WHERE status = 'running'"
        ).fetchall()
    )
    streaming: dict[str, list[StreamingMessage]] = defaultdict(list)
    for thread_id, message_id, turn_id in database.execute_sql(
        "SELECT thread_id, message_id, turn_id FROM projection_thread_messages"
        " INDEXED BY projection_thread_messages_streaming WHERE is_streaming = 1 ORDER BY rowid"
    ).fetchall():
        streaming[thread_id].append(StreamingMessage(message_id=message_id, turn_id=turn_id))
    pending = {
        row[0]
        for row in database.execute_sql(
            "SELECT DISTINCT thread_id FROM projection_pending_approvals"
            " INDEXED BY projection_pending_approvals_pending WHERE status = 'pending'"
        ).fetchall()
    }
    live = [row.thread_id for row in read_live_runtimes(database)]
    if is_copy:
        live += [
            row[0]
            for row in database.execute_sql(
                "SELECT thread_id FROM projection_thread_sessions WHERE status IN ('starting', 'running', 'ready')"
            ).fetchall()
        ]
    undelivered: dict[str, list[UndeliveredIntent]] = defaultdict(list)
    steering: dict[str, list[OpenSteering]] = defaultdict(list)
    copied: dict[str, list[CopiedIntent]] = defaultdict(list)
    for event in read_open_intents(database, after=intents_after):
        if not isinstance(event, PersistedEvent):
            continue
        if is_copy and not performs_copied and isinstance(event.payload, _PERFORMED_LATER):
            copied[event.stream_id].append(
                CopiedIntent(
                    event_id=event.event_id,
                    correlation_id=event.correlation_id,
                    turn_id=event.payload.turn_id if isinstance(event.payload, ThreadTurnStartRequested) else None,
                    steers=isinstance(event.payload, ThreadTurnSteerRequested),
                )
            )
        elif isinstance(event.payload, ThreadTurnSteerRequested):
            steering[event.stream_id].append(
                OpenSteering(
                    event_id=event.event_id,
                    correlation_id=event.correlation_id,
                    message_id=event.payload.message_id,
                    turn_id=event.payload.turn_id,
                )
            )
        if event.event_type in _DELIVERED_ONCE:
            undelivered[event.stream_id].append(
                UndeliveredIntent(
                    event_id=event.event_id,
                    event_type=event.event_type,
                    correlation_id=event.correlation_id,
                    had_secrets=isinstance(event.payload, ThreadApprovalResponseRequested)
                    and has_secrets(event.payload.answers),
                )
            )
    candidates = dict.fromkeys((*running, *streaming, *sorted(pending), *live, *undelivered, *copied))
    return [
        AbandonedThread(
            thread_id=ThreadId(thread_id),
            session=read_session(database, ThreadId(thread_id)),
            running_turn_id=None if thread_id not in running else TurnId(running[thread_id]),
            streaming=tuple(streaming[thread_id]),
            has_pending_approvals=thread_id in pending,
            undelivered=tuple(undelivered[thread_id]),
            steering=tuple(steering[thread_id]),
            copied=tuple(copied[thread_id]),
        )
        for thread_id in candidates
        if _lives(database, thread_id)
    ]


def _lives(database: peewee.SqliteDatabase, thread_id: str) -> bool:
    row = database.execute_sql(
        "SELECT 1 FROM projection_threads WHERE thread_id = ? AND deleted_at IS NULL", (thread_id,)
    ).fetchone()
    return row is not None
