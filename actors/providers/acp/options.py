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

from ....contracts.ids import ProviderThreadId
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of

__all__ = ["CHOSEN_BY_TURNS", "NOUNS", "Category", "Option", "Options", "Setting", "changed_mode", "offered", "setting"]

Category: TypeAlias = Literal["mode", "model", "thought_level"]

CHOSEN_BY_TURNS: Final[tuple[Category, ...]] = ("model", "thought_level")
NOUNS: Final[Mapping[Category, str]] = {"mode": "mode", "model": "model", "thought_level": "effort"}
"""What people call them."""
_MAX_VALUES: Final = 100
_MAX_NAME: Final = 200


@attrs.frozen(kw_only=True)
class Option:
    """One choice: the id by which it is made, None for a mode of the older kind, and what it stands at.

    `names` are the values there are, each with what people call it; empty where the agent does not list them.
    """

    config_id: str | None
    current: str
    names: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """What people call the value that it stands at."""
        return self.names.get(self.current) or self.current


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
        names = _names(object_of(told.get("modes")).get("availableModes"), "id")
        found["mode"] = Option(config_id=None, current=mode, names=names)
    for one in map(object_of, list_of(told.get("configOptions"))):
        category, config_id, current = (text_of(one.get(key)) for key in ("category", "id", "currentValue"))
        if category in NOUNS and config_id and current:
            found[cast("Category", category)] = Option(
                config_id=config_id, current=current, names=_names(one.get("options"), "value")
            )
    return found


def changed_mode(update: JsonObject, options: Options) -> Options:
    """The options after an update that tells the mode in force, in the older way."""
    mode = text_of(update.get("currentModeId"))
    if not mode:
        return options
    known = options.get("mode") or Option(config_id=None, current=mode)
    return {**options, "mode": attrs.evolve(known, current=mode)}


def _names(values: Any, key: str) -> Mapping[str, str]:
    """The names of an option's values by their ids, those of groups of values included; at most 100."""
    names: dict[str, str] = {}
    for one in map(object_of, list_of(values)[:_MAX_VALUES]):
        for value in (one, *map(object_of, list_of(one.get("options"))[:_MAX_VALUES])):
            identity = text_of(value.get(key))
            if 0 < len(identity) <= _MAX_NAME and len(names) < _MAX_VALUES:
                names[identity] = text_of(value.get("name"))[:_MAX_NAME]
    return names


def setting(session_id: ProviderThreadId, option: Option, value: str) -> Setting:
    if option.config_id is None:
        return Setting(method="session/set_mode", params={"sessionId": session_id, "modeId": value})
    return Setting(
        method="session/set_config_option",
        params={"sessionId": session_id, "configId": option.config_id, "value": value},
    )
