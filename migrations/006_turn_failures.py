"""Why turns failed: the newest failure of a thread is found without reading its history."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE INDEX projection_thread_activities_failures ON projection_thread_activities (thread_id)
        WHERE (kind = 'turn.failed')
    """,
)
