"""What the catalogue tells of each agent, as frozen values. `reading.py` makes them of TOML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias, TypeVar

import attrs

from ....contracts.errors import InvalidRequest

__all__ = [
    "AgentEntry",
    "AgentProtocol",
    "AsksInMode",
    "Catalogue",
    "Installation",
    "LoginHint",
    "Quirk",
    "ScenarioFails",
    "SharedDaemon",
    "SlowStart",
]

AgentProtocol: TypeAlias = Literal["acp", "codex", "claude"]

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VARIABLE: Final = re.compile(r"[A-Za-z_*?][A-Za-z0-9_*?]*")
_NEAR: Final = 3

Q = TypeVar("Q", bound="Quirk")


def _text(_instance: object, field: attrs.Attribute[str], value: str) -> None:
    if not value.strip():
        raise ValueError(f"{field.name} is empty")


def _program(_instance: object, field: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    if not value or not value[0]:
        raise ValueError(f"{field.name} names no program")


def _variables(_instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    for name in value:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{field.name} has {name!r}, which is no name of an environment variable")


@attrs.frozen(kw_only=True)
class Installation:
    """Where an agent comes from: exactly one of a package of npm, a package for pip, and a command for a shell.

    `tried` is the version with which the conformance suite was run.
    """

    npm: str | None = None
    pip: str | None = None
    shell: str | None = None
    tried: str | None = None

    def __attrs_post_init__(self) -> None:
        if sum(source is not None for source in (self.npm, self.pip, self.shell)) != 1:
            raise ValueError("give exactly one of npm, pip and shell")

    @property
    def command(self) -> str:
        """What a person types to install the newest version."""
        if self.npm is not None:
            return f"npm install -g {self.npm}"
        if self.pip is not None:
            return f"pip install '{self.pip}'" if "[" in self.pip else f"pip install {self.pip}"
        return self.shell or ""


@attrs.frozen(kw_only=True)
class LoginHint:
    """How a person logs in, and the traces of a login: any of these variables or files.

    Files begin with `~` or with a variable, as in `$CODEX_HOME/auth.json`. `is_elsewhere`: the agent may also keep its
    login where nobody else looks, as in a keychain, so that no trace proves nothing.
    """

    command: str = attrs.field(validator=_text)
    variables: tuple[str, ...] = attrs.field(default=(), validator=_variables)
    files: tuple[str, ...] = ()
    is_elsewhere: bool = False


@attrs.frozen(kw_only=True)
class SharedDaemon:
    """Processes that several agents share, by their command lines: `AcpProvider(shared_programs=…)`."""

    programs: tuple[str, ...]
    reason: str = attrs.field(validator=_text)


@attrs.frozen(kw_only=True)
class SlowStart:
    """The agent takes longer to start than others: its start deadline, in seconds."""

    seconds: float
    reason: str = attrs.field(validator=_text)


@attrs.frozen(kw_only=True)
class AsksInMode:
    """The agent changes files without asking in its own default mode; in this one it asks.

    Nothing is changed by that: a host that wants to be asked gives the mode. The conformance suite does.
    """

    mode: str = attrs.field(validator=_text)
    reason: str = attrs.field(validator=_text)


@attrs.frozen(kw_only=True)
class ScenarioFails:
    """Scenarios of the conformance suite that fail, by the names of their tests. Each is expected to fail."""

    scenarios: tuple[str, ...]
    reason: str = attrs.field(validator=_text)


Quirk: TypeAlias = SharedDaemon | SlowStart | AsksInMode | ScenarioFails


@attrs.frozen(kw_only=True)
class AgentEntry:
    """One agent. `command` starts it, `version` are the arguments with which its program prints its version.

    `environment` names the variables of the host that it reads itself, with `*` and `?`. `quiet` are variables that
    keep its updater and its telemetry off, for commands that only look at it.
    """

    name: str = attrs.field()
    title: str = attrs.field(validator=_text)
    website: str = attrs.field(validator=_text)
    protocol: AgentProtocol
    command: tuple[str, ...] = attrs.field(validator=_program)
    version: tuple[str, ...] = ("--version",)
    install: Installation
    login: LoginHint
    environment: tuple[str, ...] = attrs.field(default=(), validator=_variables)
    quiet: Mapping[str, str] = attrs.field(factory=dict[str, str], validator=_variables)
    quirks: tuple[Quirk, ...] = ()

    @name.validator
    def _check_name(self, _field: attrs.Attribute[str], name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an agent: use lower-case letters, digits and hyphens")

    def quirks_of(self, kind: type[Q]) -> tuple[Q, ...]:
        """Its quirks of one kind."""
        return tuple(quirk for quirk in self.quirks if isinstance(quirk, kind))


@attrs.frozen(kw_only=True)
class Catalogue:
    """Agents by their names, in the order in which they are listed."""

    agents: Mapping[str, AgentEntry]

    def find(self, name: str) -> AgentEntry:
        """Raises: InvalidRequest: no agent has this name; the message has those that are like it."""
        entry = self.agents.get(name)
        if entry is None:
            near = get_close_matches(name, self.agents, n=_NEAR)
            like = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.agents)}"
            raise InvalidRequest("agent", f"{name[:100]!r} is not in the catalogue of agents: {like}")
        return entry

    def with_entries(self, *entries: AgentEntry) -> Catalogue:
        """The catalogue with these besides; one that has the name of another replaces it."""
        return Catalogue(agents={**self.agents, **{entry.name: entry for entry in entries}})
