"""An event in a few words, for people."""

from __future__ import annotations

from ....contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ProjectCreated,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadCreated,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from ....contracts.values import Session
from ..output import excerpt


def summary_of(event: LoggedEvent) -> str:
    """An event's content on one line; "" where its type is enough."""
    if not isinstance(event, PersistedEvent):
        return f"does not decode: {event.fault}"
    match event.payload:
        case ProjectCreated(title=title) | ThreadCreated(title=title):
            return title
        case ThreadMessageSent(streaming=False, text=""):
            return "the message is complete"
        case ThreadMessageSent(role=role, text=text):
            return f"{role}: {excerpt(text)}"
        case ThreadSessionSetEvent(session=session):
            return _session(session)
        case ThreadActivityAppended(activity=activity):
            return f"{activity.kind}: {excerpt(activity.summary)}"
        case ThreadApprovalResponseRequested(decision=decision):
            return decision
        case ThreadTurnDiffCompleted(files=files):
            return ", ".join(f"{file.path} +{file.additions} -{file.deletions}" for file in files) or "no files"
        case _:
            return ""


def _session(session: Session) -> str:
    turn = "" if session.active_turn_id is None else ", a turn is active"
    error = "" if session.last_error is None else f": {excerpt(session.last_error)}"
    return f"{session.status}{turn}{error}"
