"""The providers for which threads were created, from the activities that name them.

The activity and the row of its thread have one instant, so it is found by the index of a thread's instants.
"""

from __future__ import annotations

import orjson
import peewee

from ..contracts.ids import ThreadId
from ..domain.thread_provider import THREAD_PROVIDER, provider_of


def read_thread_providers(database: peewee.SqliteDatabase, thread_id: ThreadId | None) -> dict[str, str]:
    """The provider of each thread that was created for one, by the thread's id; of one thread or of all."""
    where, parameters = ("", ()) if thread_id is None else (" WHERE thread.thread_id = ?", (thread_id,))
    cursor = database.execute_sql(
        "SELECT thread.thread_id, activity.payload_json FROM projection_threads AS thread"
        " CROSS JOIN projection_thread_activities AS activity ON activity.thread_id = thread.thread_id"
        f" AND activity.created_at = thread.created_at AND activity.kind = '{THREAD_PROVIDER}'{where}",
        parameters,
    )
    named = {row[0]: provider_of(orjson.loads(row[1])) for row in cursor.fetchall()}
    return {thread: provider for thread, provider in named.items() if provider is not None}
