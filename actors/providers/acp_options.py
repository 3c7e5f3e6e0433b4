"""What a client may choose of an ACP session, as plain values: its mode, its model, how much the model thinks.

An agent offers options, each with a category, when a session is opened, and tells all of them anew whenever one has
changed. Modes that are offered in the older way have a request of their own. Options of other categories, and those
that are no choice from a list, are left alone.
Source: https://agentclientprotocol.com/protocol/session-config-options
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

from ...runtime.contracts.ids import ProviderThreadId
from ...runtime.contracts.values import JsonObject
from .acp_tools import list_of, object_of, text_of

__all__ = ["CHOSEN_BY_TURNS", "NOUNS", "Category", "Option", "Options", "Setting", "offered", "setting"]

Category: TypeAlias = Literal["mode", "model", "thought_level"]

CHOSEN_BY_TURNS: Final[tuple[Category, ...]] = ("model", "thought_level")
NOUNS: Final[Mapping[Category, str]] = {"mode": "mode", "model": "model", "thought_level": "effort"}
"""What people call them."""


@attrs.frozen(kw_only=True)
class Option:
    """One choice: the id by which it is made, None for a mode of the older kind, and what it stands at."""

    config_id: str | None
    current: str


Options: TypeAlias = Mapping[Category, Option]


@attrs.frozen(kw_only=True)
class Setting:
    """A request that makes a choice."""

    method: str
    params: JsonObject


def offered(message: Any) -> Options:
    """The options that a reply or an update tells of."""
    found: dict[Category, Option] = {}
    told = object_of(message)
    mode = text_of(object_of(told.get("modes")).get("currentModeId"))
    if mode:
        found["mode"] = Option(config_id=None, current=mode)
    for one in map(object_of, list_of(told.get("configOptions"))):
        category, config_id, current = (text_of(one.get(key)) for key in ("category", "id", "currentValue"))
        if category in NOUNS and config_id and current:
            found[cast("Category", category)] = Option(config_id=config_id, current=current)
    return found


def setting(session_id: ProviderThreadId, option: Option, value: str) -> Setting:
    if option.config_id is None:
        return Setting(method="session/set_mode", params={"sessionId": session_id, "modeId": value})
    return Setting(
        method="session/set_config_option",
        params={"sessionId": session_id, "configId": option.config_id, "value": value},
    )
