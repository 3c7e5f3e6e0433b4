"""The activity that reports what is known of an agent's session: one for each thread, replaced in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..contracts.payload_bounds import fitting_payload
from ..contracts.provider_events import SessionChoice, SessionInfoUpdated
from ..contracts.values import Instant, JsonObject
from .event_bounds import MAX_DETAIL_BYTES
from .session_commands import IngestedCommand, IngestState, activity, thread_activity_id

__all__ = ["SESSION_INFO", "session_info_activity"]

SESSION_INFO: Final = "session.info"


def session_info_activity(state: IngestState, info: SessionInfoUpdated, now: Instant) -> IngestedCommand:
    """The command that appends the thread's activity, or replaces it in place."""
    return activity(
        state,
        now,
        tone="info",
        kind=SESSION_INFO,
        summary=_summary(info),
        payload=fitting_payload(_payload(info), limit=MAX_DETAIL_BYTES),
        outside_turn=True,
        activity_id=thread_activity_id(state, "session-info"),
    )


def _payload(info: SessionInfoUpdated) -> JsonObject:
    """What is known; what is unknown is left out."""
    fields: JsonObject = {
        "title": info.title,
        "currentMode": info.current_mode,
        "currentModel": info.current_model,
        "loginNeeded": info.login_needed,
        "modes": _listed(info.modes),
        "models": _listed(info.models),
        "commands": _listed(info.commands),
        "logins": _listed(info.logins),
    }
    return {key: value for key, value in fields.items() if value is not None and value != []}


def _listed(choices: Sequence[SessionChoice]) -> list[JsonObject]:
    return [
        {"id": one.id, "name": one.name, **({} if one.description is None else {"description": one.description})}
        for one in choices
    ]


def _summary(info: SessionInfoUpdated) -> str:
    parts = [
        "" if info.current_mode is None else f"mode {_name(info.modes, info.current_mode)}",
        "" if info.current_model is None else f"model {_name(info.models, info.current_model)}",
        "" if not info.commands else f"{len(info.commands)} commands",
        "login needed" if info.login_needed else "",
    ]
    known = ", ".join(part for part in parts if part)
    return ": ".join(part for part in (info.title, known) if part) or "the agent's session"


def _name(choices: Sequence[SessionChoice], identity: str) -> str:
    return next((one.name for one in choices if one.id == identity), identity)
