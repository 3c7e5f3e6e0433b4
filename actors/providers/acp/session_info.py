"""What an ACP agent reports of its session: title, commands, and its options for mode and model. Pure."""

from __future__ import annotations

import shlex
from typing import Any

import attrs

from ....contracts.provider_events import SessionChoice, SessionInfoUpdated
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of
from .options import Option, Options

__all__ = ["read_login_commands", "read_logins", "with_options", "with_update"]


def with_update(info: SessionInfoUpdated, update: JsonObject) -> SessionInfoUpdated:
    """The information after a `session_info_update` or an `available_commands_update`; absent fields stay."""
    if update.get("sessionUpdate") == "available_commands_update":
        return attrs.evolve(info, commands=_commands(update.get("availableCommands")))
    if "title" in update:
        return attrs.evolve(info, title=text_of(update["title"]) or None)
    return info


def with_options(info: SessionInfoUpdated, options: Options) -> SessionInfoUpdated:
    """The information with the session's mode and model."""
    mode, model = options.get("mode"), options.get("model")
    return attrs.evolve(
        info,
        modes=_choices(mode),
        current_mode=None if mode is None else mode.current,
        models=_choices(model),
        current_model=None if model is None else model.current,
    )


def read_logins(methods: Any) -> tuple[SessionChoice, ...]:
    """The ways to log in of an `initialize` reply."""
    return tuple(
        SessionChoice(
            id=identity, name=text_of(one.get("name")) or identity, description=text_of(one.get("description")) or None
        )
        for one in map(object_of, list_of(methods))
        if (identity := text_of(one.get("id")))
    )


def read_login_commands(methods: Any, program: str) -> tuple[str, ...]:
    """The commands that log in on a terminal: `program` with the arguments that an `initialize` reply gives."""
    return tuple(
        shlex.join([program, *map(text_of, list_of(one.get("args")))])
        for one in map(object_of, list_of(methods))
        if program and one.get("type") == "terminal"
    )


def _commands(commands: Any) -> tuple[SessionChoice, ...]:
    return tuple(
        SessionChoice(id=name, name=name, description=text_of(one.get("description")) or None)
        for one in map(object_of, list_of(commands))
        if (name := text_of(one.get("name")))
    )


def _choices(option: Option | None) -> tuple[SessionChoice, ...]:
    names = {} if option is None else option.names
    return tuple(SessionChoice(id=identity, name=name or identity) for identity, name in names.items())
