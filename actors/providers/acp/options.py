"""The options of an ACP session that a client may set: its mode, its model, the model's effort. Pure.

An agent offers options, each with a category, when a session is opened, and sends all of them again whenever one has
changed. Modes in the older form have a request of their own. Options of other categories, and those that are not a
choice from a list, are ignored.
Source: https://agentclientprotocol.com/protocol/session-config-options
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

from ....contracts.ids import ProviderThreadId
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of

__all__ = [
    "NOUNS",
    "TURN_CATEGORIES",
    "Category",
    "Option",
    "Options",
    "SettingRequest",
    "read_mode_change",
    "read_options",
    "setting_request",
]

Category: TypeAlias = Literal["mode", "model", "thought_level"]

TURN_CATEGORIES: Final[tuple[Category, ...]] = ("model", "thought_level")
NOUNS: Final[Mapping[Category, str]] = {"mode": "mode", "model": "model", "thought_level": "effort"}
"""The words for categories in messages to users."""
_MAX_VALUES: Final = 100
_MAX_NAME: Final = 200


@attrs.frozen(kw_only=True)
class Option:
    """One option and its current value. `config_id` is None for modes in the older form.

    `names` has the display name of each possible value; empty where the agent does not list the values.
    """

    config_id: str | None
    current: str
    names: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """The display name of the current value."""
        return self.names.get(self.current) or self.current


Options: TypeAlias = Mapping[Category, Option]


@attrs.frozen(kw_only=True)
class SettingRequest:
    """The request that sets an option."""

    method: str
    params: JsonObject


def read_options(message: Any) -> Options:
    """The options in a reply or an update."""
    found: dict[Category, Option] = {}
    fields = object_of(message)
    mode = text_of(object_of(fields.get("modes")).get("currentModeId"))
    if mode:
        names = _names(object_of(fields.get("modes")).get("availableModes"), "id")
        found["mode"] = Option(config_id=None, current=mode, names=names)
    for one in map(object_of, list_of(fields.get("configOptions"))):
        category, config_id, current = (text_of(one.get(key)) for key in ("category", "id", "currentValue"))
        if category in NOUNS and config_id and current:
            found[cast("Category", category)] = Option(
                config_id=config_id, current=current, names=_names(one.get("options"), "value")
            )
    return found


def read_mode_change(update: JsonObject, options: Options) -> Options:
    """The options after a `current_mode_update`, the older form of a change of mode."""
    mode = text_of(update.get("currentModeId"))
    if not mode:
        return options
    known = options.get("mode") or Option(config_id=None, current=mode)
    return {**options, "mode": attrs.evolve(known, current=mode)}


def _names(values: Any, key: str) -> Mapping[str, str]:
    """The display names of an option's values by their ids, values in groups included; at most 100."""
    names: dict[str, str] = {}
    for one in map(object_of, list_of(values)[:_MAX_VALUES]):
        for value in (one, *map(object_of, list_of(one.get("options"))[:_MAX_VALUES])):
            identity = text_of(value.get(key))
            if 0 < len(identity) <= _MAX_NAME and len(names) < _MAX_VALUES:
                names[identity] = text_of(value.get("name"))[:_MAX_NAME]
    return names


def setting_request(session_id: ProviderThreadId, option: Option, value: str) -> SettingRequest:
    if option.config_id is None:
        return SettingRequest(method="session/set_mode", params={"sessionId": session_id, "modeId": value})
    return SettingRequest(
        method="session/set_config_option",
        params={"sessionId": session_id, "configId": option.config_id, "value": value},
    )
