"""What Claude Code reports of its session: its commands, models and mode. Pure.

The reply to the SDK's handshake lists commands and models; the `init` of a turn has the model and mode in force.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.provider_events import SessionChoice, SessionInfoUpdated
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of

__all__ = ["read_commands", "read_server_info", "with_init"]

_MODES: Final = tuple(
    SessionChoice(id=mode, name=name)
    for mode, name in (
        ("default", "Ask before changes"),
        ("acceptEdits", "Accept edits"),
        ("plan", "Plan"),
        ("dontAsk", "Do not ask"),
        ("bypassPermissions", "Bypass permissions"),
    )
)


def read_server_info(info: Any, *, mode: str) -> SessionInfoUpdated:
    """The information in the reply to the handshake. `mode` is the permission mode of the session."""
    fields = object_of(info)
    models = tuple(
        SessionChoice(
            id=value,
            name=text_of(one.get("displayName")) or value,
            description=text_of(one.get("description")) or None,
        )
        for one in map(object_of, list_of(fields.get("models")))
        if (value := text_of(one.get("value")))
    )
    commands = read_commands(fields.get("commands"))
    return SessionInfoUpdated(modes=_MODES, current_mode=mode, models=models, commands=commands)


def with_init(info: SessionInfoUpdated, message: JsonObject) -> SessionInfoUpdated:
    """The information after the `init` of a turn."""
    names = [name for name in list_of(message.get("slash_commands")) if isinstance(name, str)]
    return attrs.evolve(
        info,
        current_mode=text_of(message.get("permissionMode")) or info.current_mode,
        current_model=text_of(message.get("model")) or info.current_model,
        commands=info.commands or tuple(SessionChoice(id=name, name=name) for name in names),
    )


def read_commands(commands: Any) -> tuple[SessionChoice, ...]:
    """The commands of the handshake, or of a `commands_changed`."""
    return tuple(
        SessionChoice(id=name, name=name, description=text_of(one.get("description")) or None)
        for one in map(object_of, list_of(commands))
        if (name := text_of(one.get("name")))
    )
