"""Steering requests are intents, and the last order of a thread's waiting turns is found without reading its log."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    DROP INDEX orchestration_events_intents
    """,
    """
    DROP INDEX orchestration_events_thread_intents
    """,
    """
    CREATE INDEX orchestration_events_intents ON orchestration_events (sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested',
            'thread.turn-steer-requested'
        ))
    """,
    """
    CREATE INDEX orchestration_events_thread_intents ON orchestration_events (stream_id, sequence)
        WHERE (event_type IN (
            'thread.turn-start-requested',
            'thread.turn-interrupt-requested',
            'thread.approval-response-requested',
            'thread.checkpoint-revert-requested',
            'thread.session-stop-requested',
            'thread.turn-steer-requested'
        ))
    """,
    """
    CREATE INDEX orchestration_events_queue_orders ON orchestration_events (stream_id, sequence)
        WHERE (event_type = 'thread.queue-updated')
    """,
)
