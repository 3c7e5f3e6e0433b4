"""What a host gives a session of an agent: MCP servers, directories, environment, permissions, instructions.

A `SessionConfig` is an option of a provider, for all its sessions, and a result of `RuntimeOptions.choose_provider`,
for the sessions of one thread. It is passed at each start of an agent, also when a conversation is resumed, and it is
not stored. What an agent cannot do is an error at its start.

A secret is given as a variable of the host (`HostVariable`) or as a function. Both are read when an agent starts. The
representation of a config shows names of variables and headers, and no values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import attrs

from ...contracts.errors import ProviderUnavailable
from ...persistence.threads import in_thread
from .provider_calls import describe_error
from .redaction import redacted

__all__ = [
    "NO_CONFIG",
    "ConfigText",
    "HostVariable",
    "HttpMcpServer",
    "McpServer",
    "SandboxMode",
    "SessionConfig",
    "StdioMcpServer",
    "merged",
    "plain_texts",
    "read_texts",
    "secrets_of",
]

SandboxMode: TypeAlias = Literal["read-only", "workspace-write", "danger-full-access"]
"""What the commands of an agent may reach, in the words of Codex."""

_SERVER_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE: Final = re.compile(r"[^=\0]+")
_SHORTEST_SECRET: Final = 6
"""A shorter text is too common to be looked for in what an agent prints."""

K = TypeVar("K")


@attrs.frozen
class HostVariable:
    """The value of a variable of the host's environment."""

    name: str


ConfigText: TypeAlias = str | HostVariable | Callable[[], str]
"""A text, or where it comes from. A function is called on a worker thread, at each start of an agent."""


def _names(values: Iterable[str]) -> str:
    return f"<{', '.join(sorted(values))}>"


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


def _check_words(_owner: object, field: attrs.Attribute[Any], words: tuple[object, ...]) -> None:
    if not all(isinstance(word, str) and word for word in words):
        raise ValueError(f"{field.name} is a sequence of texts that are not empty: {words!r}")


def _words(words: Iterable[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise TypeError(f"expected a sequence of texts, found one: {words!r}")
    return tuple(words)


def _paths(paths: Iterable[str | os.PathLike[str]]) -> tuple[Path, ...]:
    if isinstance(paths, str | os.PathLike):
        raise TypeError(f"expected a sequence of paths, found one: {str(paths)!r}")
    return tuple(Path(path) for path in paths)


@attrs.frozen(kw_only=True)
class StdioMcpServer:
    """An MCP server that the agent starts. Its arguments are visible to every user of the machine: no secrets."""

    command: str
    args: tuple[str, ...] = attrs.field(default=(), converter=_words)
    env: Mapping[str, ConfigText] = attrs.field(factory=dict, converter=_copied, repr=_names)


@attrs.frozen(kw_only=True)
class HttpMcpServer:
    """An MCP server behind streamable HTTP."""

    url: str = attrs.field(repr=redacted)
    headers: Mapping[str, ConfigText] = attrs.field(factory=dict, converter=_copied, repr=_names)


McpServer: TypeAlias = StdioMcpServer | HttpMcpServer


@attrs.frozen(kw_only=True)
class SessionConfig:
    """What a host gives a session.

    `mcp_servers` are by their names. `additional_directories` are absolute paths that the agent may use beside its
    workspace. `inherit_env` names variables of the host that pass to the agent beside those that its provider lets
    pass, with `*` and `?`; `env` is applied after it, where None removes a variable. `mode` is the agent's own name of
    a mode: of an ACP agent, Claude Code's permission mode, Codex's approval policy. `instructions` are added to the
    agent's system prompt.

    Raises:
        ValueError: a name, a path or a text is not allowed.
        TypeError: one text stands for a sequence.
    """

    mcp_servers: Mapping[str, McpServer] = attrs.field(factory=dict, converter=_copied)
    additional_directories: tuple[Path, ...] = attrs.field(default=(), converter=_paths)
    inherit_env: tuple[str, ...] = attrs.field(default=(), converter=_words, validator=_check_words)
    env: Mapping[str, ConfigText | None] = attrs.field(factory=dict, converter=_copied, repr=_names)
    mode: str | None = None
    sandbox: SandboxMode | None = None
    instructions: str | None = attrs.field(default=None, repr=False)

    @mcp_servers.validator
    def _check_servers(self, _field: object, servers: Mapping[str, McpServer]) -> None:
        for name in servers:
            if not _SERVER_NAME.fullmatch(name):
                raise ValueError(f"an MCP server's name has 1 to 64 letters, digits, - and _: {name!r}")

    @additional_directories.validator
    def _check_directories(self, _field: object, directories: tuple[Path, ...]) -> None:
        for directory in directories:
            if not directory.is_absolute():
                raise ValueError(f"an additional directory is an absolute path: {str(directory)!r}")

    @env.validator
    def _check_env(self, _field: object, env: Mapping[str, ConfigText | None]) -> None:
        for name in env:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an environment variable")

    @property
    def is_empty(self) -> bool:
        return self == NO_CONFIG


NO_CONFIG: Final = SessionConfig()


def merged(base: SessionConfig, over: SessionConfig) -> SessionConfig:
    """Both configs. Where they give one thing, that of `over` holds; `over`'s instructions follow those of `base`."""
    instructions = [text for text in (base.instructions, over.instructions) if text]
    return SessionConfig(
        mcp_servers={**base.mcp_servers, **over.mcp_servers},
        additional_directories=_united(base.additional_directories, over.additional_directories),
        inherit_env=_united(base.inherit_env, over.inherit_env),
        env={**base.env, **over.env},
        mode=over.mode or base.mode,
        sandbox=over.sandbox or base.sandbox,
        instructions="\n\n".join(instructions) or None,
    )


async def read_texts(config: SessionConfig) -> SessionConfig:
    """The config with every text read from where it comes.

    Raises:
        ProviderUnavailable: a variable is not set, a function fails or gives no text, or a directory is missing.
    """
    return config if config.is_empty else await in_thread(lambda: _read(config))


def plain_texts(texts: Mapping[str, ConfigText]) -> dict[str, str]:
    """The texts of a config that was read."""
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def secrets_of(config: SessionConfig, read: SessionConfig) -> tuple[str, ...]:
    """What was read from elsewhere, longest first: texts that no error may show."""
    before, after = _all_texts(config), _all_texts(read)
    found = {
        text
        for place, text in after.items()
        if isinstance(text, str) and not isinstance(before[place], str) and len(text) >= _SHORTEST_SECRET
    }
    return tuple(sorted(found, key=len, reverse=True))


def _read(config: SessionConfig) -> SessionConfig:
    for directory in config.additional_directories:
        if not directory.is_dir():
            raise ProviderUnavailable(
                f"the additional directory {str(directory)!r} is not there: create it, or leave it out"
            )
    return attrs.evolve(
        config,
        mcp_servers={name: _read_server(name, server) for name, server in config.mcp_servers.items()},
        env={
            name: None if text is None else _text(text, f"the environment variable {name}")
            for name, text in config.env.items()
        },
    )


def _read_server(name: str, server: McpServer) -> McpServer:
    if isinstance(server, StdioMcpServer):
        env = {key: _text(text, f"{key} of the MCP server {name!r}") for key, text in server.env.items()}
        return attrs.evolve(server, env=env)
    headers = {key: _text(text, f"the header {key} of the MCP server {name!r}") for key, text in server.headers.items()}
    return attrs.evolve(server, headers=headers)


def _text(given: ConfigText, what: str) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, HostVariable):
        value = os.environ.get(given.name)
        if value is None:
            raise ProviderUnavailable(f"{what} is to be {given.name} of the host's environment, which is not set")
        return value
    try:
        found: object = given()
    except Exception as error:
        raise ProviderUnavailable(f"{what} was not given: {describe_error(error)}") from None
    if not isinstance(found, str):
        raise ProviderUnavailable(f"{what} was not given: its function returned {type(found).__name__}, not text")
    return found


def _all_texts(config: SessionConfig) -> dict[tuple[str, ...], ConfigText | None]:
    """Every text that may be a secret, by its place."""
    found: dict[tuple[str, ...], ConfigText | None] = {("env", name): text for name, text in config.env.items()}
    for server_name, server in config.mcp_servers.items():
        texts = server.env if isinstance(server, StdioMcpServer) else server.headers
        found |= {("server", server_name, name): text for name, text in texts.items()}
    return found


def _united(one: tuple[K, ...], other: tuple[K, ...]) -> tuple[K, ...]:
    return tuple(dict.fromkeys((*one, *other)))
