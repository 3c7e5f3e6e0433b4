"""What turns used: the sums of a thread are read without reading its history."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE INDEX projection_thread_activities_usage ON projection_thread_activities (thread_id)
        WHERE (kind = 'usage.updated')
    """,
)
