"""An activity in a thread's history that belongs to no turn, under the id of the command that appends it."""

from __future__ import annotations

from ...contracts.events import NO_METADATA
from ...contracts.ids import CommandId, ThreadId
from ...contracts.values import Instant, JsonObject, Tone
from ...domain.activities import append_activity
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
    command = append_activity(
        CommandId(key), thread_id, tone=tone, kind=kind, summary=summary, payload=payload, now=now
    )
    return IngestedCommand(command=command, metadata=NO_METADATA)
