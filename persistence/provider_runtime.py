"""Lives of agent processes: who runs for which thread, and the cursor to resume its conversation with.

A cursor cannot be replayed from the log, so its writes are durable. The row that counts for a thread is the one that
its session names; older rows are history.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import peewee

from ..contracts.ids import ProviderSessionId, ThreadId
from ..contracts.values import Instant, SessionRuntimeStatus

FORGOTTEN: Final = "conversationForgotten"
"""In a row's payload: its thread's conversation was forgotten on request, so any provider may serve the thread."""

_COLUMNS: Final = (
    "provider_session_id, thread_id, provider_name, adapter_key, provider_thread_id, status, last_seen_at,"
    " resume_cursor_json, runtime_payload_json"
)


class ProviderRuntimeRow(NamedTuple):
    """A row of `provider_session_runtime`. `runtime_payload_json` holds the process's identity and the host's."""

    provider_session_id: str
    thread_id: str
    provider_name: str
    adapter_key: str
    provider_thread_id: str | None
    status: SessionRuntimeStatus
    last_seen_at: str
    resume_cursor_json: str | None
    runtime_payload_json: str | None


def put_provider_runtime(database: peewee.SqliteDatabase, row: ProviderRuntimeRow) -> None:
    """Write a row; of one that is there, everything but whose it is."""
    database.execute_sql(
        f"INSERT INTO provider_session_runtime ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (provider_session_id) DO UPDATE SET status = excluded.status,"
        " provider_thread_id = excluded.provider_thread_id, last_seen_at = excluded.last_seen_at,"
        " resume_cursor_json = excluded.resume_cursor_json, runtime_payload_json = excluded.runtime_payload_json",
        row,
    )


def set_runtime_status(
    database: peewee.SqliteDatabase, session: ProviderSessionId, status: SessionRuntimeStatus, now: Instant
) -> None:
    """End or revive a life; its cursor is kept."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET status = ?, last_seen_at = ? WHERE provider_session_id = ?",
        (status, now, session),
    )


def close_live_runtimes(database: peewee.SqliteDatabase) -> None:
    """End every life, in a copy of the database: the processes belong to the database that was copied."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET status = 'stopped' WHERE status IN ('starting', 'running')"
    )


def set_last_seen(database: peewee.SqliteDatabase, session: ProviderSessionId, now: Instant) -> None:
    """Record a heartbeat of a live session."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET last_seen_at = ? WHERE provider_session_id = ?", (now, session)
    )


def set_cursor(database: peewee.SqliteDatabase, session: ProviderSessionId, cursor_json: str) -> None:
    """Go on from another cursor: the conversation of this life was rolled back after its end."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET resume_cursor_json = ? WHERE provider_session_id = ?",
        (cursor_json, session),
    )


def drop_cursors(database: peewee.SqliteDatabase, thread_id: ThreadId) -> None:
    """Forget how to resume a thread's conversation: the next session is a fresh one."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET resume_cursor_json = NULL WHERE thread_id = ?", (thread_id,)
    )


def forget_conversation(database: peewee.SqliteDatabase, thread_id: ThreadId) -> None:
    """Forget how to resume a thread's conversation, and that its provider has to go on with it."""
    database.execute_sql(
        "UPDATE provider_session_runtime SET resume_cursor_json = NULL,"
        f" runtime_payload_json = json_set(coalesce(runtime_payload_json, '{{}}'), '$.{FORGOTTEN}', json('true'))"
        " WHERE thread_id = ?",
        (thread_id,),
    )


def find_provider_runtime(database: peewee.SqliteDatabase, session: ProviderSessionId) -> ProviderRuntimeRow | None:
    row = database.execute_sql(
        f"SELECT {_COLUMNS} FROM provider_session_runtime WHERE provider_session_id = ?", (session,)
    ).fetchone()
    return None if row is None else ProviderRuntimeRow._make(row)


def read_live_runtimes(database: peewee.SqliteDatabase) -> list[ProviderRuntimeRow]:
    """The rows of sessions that start or run, of every host."""
    cursor = database.execute_sql(
        f"SELECT {_COLUMNS} FROM provider_session_runtime WHERE status IN ('starting', 'running') ORDER BY rowid"
    )
    return [ProviderRuntimeRow._make(row) for row in cursor.fetchall()]


def read_runtimes(database: peewee.SqliteDatabase) -> list[ProviderRuntimeRow]:
    cursor = database.execute_sql(f"SELECT {_COLUMNS} FROM provider_session_runtime ORDER BY rowid")
    return [ProviderRuntimeRow._make(row) for row in cursor.fetchall()]
