"""Which events refer to stored attachments: found without reading the log."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE INDEX orchestration_events_attachments ON orchestration_events (stream_id, sequence)
        WHERE ((event_type = 'thread.activity-appended') AND (instr(payload_json, '"digest":"sha256:') > 0))
    """,
)
