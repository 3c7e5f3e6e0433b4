"""What a pending approval is about, from the activity that opened it.

The row of a request and its activity have one instant, so the activity is found by the index of a thread's instants.
"""

from __future__ import annotations

import orjson
import peewee

from ..contracts.events import NO_METADATA
from ..contracts.ids import ApprovalRequestId, ThreadId
from ..contracts.values import Activity, Instant
from ..domain.approvals import REQUESTED, ApprovalDetails, details_of, request_id_of


def read_approval_details(
    database: peewee.SqliteDatabase, thread_id: ThreadId, request_id: ApprovalRequestId, *, asked_at: Instant
) -> ApprovalDetails | None:
    """What a request is about; None where its activity is not there, or does not name it."""
    cursor = database.execute_sql(
        "SELECT activity_id, tone, kind, summary, payload_json, turn_id, created_at FROM projection_thread_activities"
        " WHERE thread_id = ? AND created_at = ? AND kind IN (?, ?) ORDER BY rowid",
        (thread_id, asked_at, *REQUESTED),
    )
    for row in cursor.fetchall():
        activity = Activity(
            id=row[0],
            tone=row[1],
            kind=row[2],
            summary=row[3],
            payload=orjson.loads(row[4]),
            turn_id=row[5],
            created_at=row[6],
        )
        if request_id_of(activity, NO_METADATA) == request_id:
            return details_of(activity)
    return None
