"""The mode of an ACP session across its processes. Pure.

Not every agent remembers a session's mode, so it is set when a session is opened. The mode may change during the
conversation: by an option of a permission request, or by the agent itself. The cursor keeps the mode in force and the
mode that the host requested then. If the host requests another mode now, it is used; otherwise the conversation
continues in the mode it was in.
"""

from __future__ import annotations

from ....contracts.values import JsonObject
from ..loose_json import text_of
from .options import Options

__all__ = ["choose_mode", "mode_cursor", "mode_ids"]


def choose_mode(asked: str | None, cursor: JsonObject | None) -> str | None:
    """The mode to open a session in; None leaves it to the agent. `asked` is the host's choice."""
    if cursor is None or (text_of(cursor.get("askedMode")) or None) != asked:
        return asked
    return text_of(cursor.get("mode")) or asked


def mode_cursor(asked: str | None, options: Options) -> JsonObject:
    """The fields of a cursor about the mode; empty where the agent has no modes."""
    mode = options.get("mode")
    if mode is None:
        return {}
    return {"mode": mode.current} if asked is None else {"mode": mode.current, "askedMode": asked}


def mode_ids(options: Options) -> tuple[str, ...]:
    """The ids of the modes that the agent offers."""
    mode = options.get("mode")
    return () if mode is None else tuple(mode.names)
