"""The one builder of commands that append an activity to a thread's history."""

from __future__ import annotations

from ..contracts.commands import ThreadActivityAppend
from ..contracts.ids import ActivityId, CommandId, ThreadId, TurnId
from ..contracts.values import Activity, Instant, JsonObject, Label, Tone

__all__ = ["append_activity"]


def append_activity(
    command_id: CommandId,
    thread_id: ThreadId,
    *,
    tone: Tone,
    kind: str,
    summary: str,
    payload: JsonObject,
    now: Instant,
    turn_id: TurnId | None = None,
    activity_id: ActivityId | None = None,
) -> ThreadActivityAppend:
    """The command. The activity's id is the command's unless another one is given, as for a line that is replaced."""
    activity = Activity(
        id=ActivityId(command_id) if activity_id is None else activity_id,
        tone=tone,
        kind=Label(kind),
        summary=summary,
        payload=payload,
        turn_id=turn_id,
        created_at=now,
    )
    return ThreadActivityAppend(command_id=command_id, thread_id=thread_id, activity=activity, created_at=now)
