"""A line in a thread's history that belongs to no turn, under the id of the command that appends it."""

from __future__ import annotations

from ...contracts.commands import ThreadActivityAppend
from ...contracts.events import NO_METADATA
from ...contracts.ids import ActivityId, CommandId, ThreadId
from ...contracts.values import Activity, Instant, JsonObject, Label, Tone
from ...domain.session_commands import IngestedCommand

__all__ = ["thread_line"]


def thread_line(
    key: str,
    thread_id: ThreadId,
    *,
    tone: Tone = "error",
    kind: str,
    summary: str,
    payload: JsonObject,
    now: Instant,
) -> IngestedCommand:
    """The command that appends the line. The same `key` appends it once."""
    activity = Activity(
        id=ActivityId(key),
        tone=tone,
        kind=Label(kind),
        summary=summary,
        payload=payload,
        turn_id=None,
        created_at=now,
    )
    command = ThreadActivityAppend(command_id=CommandId(key), thread_id=thread_id, activity=activity, created_at=now)
    return IngestedCommand(command=command, metadata=NO_METADATA)
