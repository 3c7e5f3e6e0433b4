"""The mode of an ACP session across its processes. Pure.

Not every agent remembers a session's mode, so it is set when a session is opened. The mode may change in the course of
the conversation: an option of a permission does so, or the agent by itself. The cursor keeps the mode in force, and
what the host had asked for then. A host that asks for another mode now gets it; otherwise the conversation goes on in
the mode that it was in.
"""

from __future__ import annotations

from ....contracts.provider_events import SessionNotice
from ....contracts.values import JsonObject
from ..loose_json import text_of
from .options import Option, Options

__all__ = ["cursor_of_mode", "mode_ids", "mode_notice", "mode_to_set"]


def mode_to_set(asked: str | None, cursor: JsonObject | None) -> str | None:
    """The mode that a session is opened in; None leaves it to the agent. `asked` is the host's choice."""
    if cursor is None or (text_of(cursor.get("askedMode")) or None) != asked:
        return asked
    return text_of(cursor.get("mode")) or asked


def cursor_of_mode(asked: str | None, options: Options) -> JsonObject:
    """What a cursor keeps of the mode; nothing where the agent has no modes."""
    mode = options.get("mode")
    if mode is None:
        return {}
    return {"mode": mode.current} if asked is None else {"mode": mode.current, "askedMode": asked}


def mode_ids(options: Options) -> tuple[str, ...]:
    """The agent's own names of the modes that it offers."""
    mode = options.get("mode")
    return () if mode is None else tuple(mode.names)


def mode_notice(mode: Option, *, chosen_by_agent: bool) -> SessionNotice:
    """What a host shows of the mode in force, which decides what the agent asks permission for."""
    summary = f"The agent works in its mode {mode.name!r}"
    if chosen_by_agent:
        summary += ", its own choice, which decides what it asks permission for"
    detail: JsonObject = {"mode": {"id": mode.current, "name": mode.name}}
    if mode.names:
        detail["modes"] = [{"id": identity, "name": name or identity} for identity, name in mode.names.items()]
    return SessionNotice(kind="session.info", summary=summary, detail=detail)
