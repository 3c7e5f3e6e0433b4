"""The catalogue's file: TOML to frozen values, strictly. Every fault is named with its place in the file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any, Final

from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError, transform_error

from ....contracts.errors import InvalidCatalogue
from ....contracts.scalars import kind_of
from .entries import AgentEntry, AsksInMode, Catalogue, Quirk, ScenarioFails, SharedDaemon, SlowStart

__all__ = ["parse_catalogue", "read_catalogue"]

_OWN_FILE: Final = "catalogue.toml"
_KINDS: Final[dict[str, type[Quirk]]] = {
    "shared-daemon": SharedDaemon,
    "slow-start": SlowStart,
    "asks-in-mode": AsksInMode,
    "scenario-fails": ScenarioFails,
}


def read_catalogue(*more: str | PathLike[str]) -> Catalogue:
    """The agents that Orchestrion knows, and those of more files, of which a later entry replaces an earlier one.

    Reads files; a host calls it once.

    Raises:
        InvalidCatalogue: a file is not there, is no TOML, or an entry is at fault; has every fault.
    """
    catalogue = _own_catalogue()
    for path in map(Path, more):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidCatalogue(str(path), (str(error),)) from error
        catalogue = catalogue.with_entries(*parse_catalogue(text, source=str(path)).agents.values())
    return catalogue


def parse_catalogue(text: str, *, source: str) -> Catalogue:
    """The entries of a catalogue's text. `source` names it in errors.

    Raises:
        InvalidCatalogue: as `read_catalogue`.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidCatalogue(source, (str(error),)) from error
    faults = [f"unknown table @ {name}" for name in tables if name != "agents"]
    agents = tables.get("agents", {})
    if not isinstance(agents, dict):
        raise InvalidCatalogue(source, (f"expected a table, found {kind_of(agents)} @ agents",))
    entries: dict[str, AgentEntry] = {}
    for name, table in agents.items():
        try:
            entries[name] = _converter().structure({**_table(table), "name": name}, AgentEntry)
        except ClassValidationError as error:
            faults += transform_error(error, path=f"agents.{name}", format_exception=_fault)
        except ValueError as error:
            faults.append(f"{error} @ agents.{name}")
    if faults:
        raise InvalidCatalogue(source, tuple(faults))
    return Catalogue(agents=entries)


@cache
def _own_catalogue() -> Catalogue:
    text = (files(__package__ or "").joinpath("..", _OWN_FILE)).read_text(encoding="utf-8")
    return parse_catalogue(text, source=_OWN_FILE)


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, prefer_attrib_converters=False)
    converter.register_structure_hook(str, lambda data, _: _checked(data, str, "text"))
    converter.register_structure_hook(bool, lambda data, _: _checked(data, bool, "a boolean"))
    converter.register_structure_hook(float, lambda data, _: float(_checked(data, (int, float), "a number")))
    converter.register_structure_hook_func(lambda cls: cls == tuple[str, ...], _texts)
    converter.register_structure_hook_func(lambda cls: cls == Quirk, _quirk)
    return converter


def _table(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"expected a table, found {kind_of(data)}")
    return data


def _checked(data: Any, kind: type[Any] | tuple[type[Any], ...], noun: str) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ValueError(f"expected {noun}, found {kind_of(data)}")
    return data


def _texts(data: Any, _kind: Any) -> tuple[str, ...]:
    if not isinstance(data, list):
        raise ValueError(f"expected a list, found {kind_of(data)}")
    return tuple(_checked(one, str, "a list of texts") for one in data)


def _quirk(data: Any, _kind: Any) -> Quirk:
    table = _table(data)
    kind = table.get("kind")
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ValueError(f"{kind!r} is no kind of quirk: use {', '.join(_KINDS)}")
    return _converter().structure({key: value for key, value in table.items() if key != "kind"}, cls)


def _fault(error: BaseException, _expected: object) -> str:
    match error:
        case ForbiddenExtraKeysError():
            return "unknown key " + ", ".join(repr(name) for name in sorted(error.extra_fields))
        case KeyError():
            return "required key is missing"
        case _:
            return str(error) or type(error).__name__
