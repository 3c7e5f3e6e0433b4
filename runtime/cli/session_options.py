"""Options of a command that give the agent's sessions something: MCP servers, directories, environment, sandbox."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
import orjson

from ...actors.providers.session_config import (
    ConfigText,
    HostVariable,
    HttpMcpServer,
    McpServer,
    SandboxMode,
    SessionConfig,
    StdioMcpServer,
)

__all__ = ["session_config", "session_options"]

_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")

C = TypeVar("C", bound=Callable[..., Any])


def session_options(command: C) -> C:
    """Add the options, whose values `session_config` takes."""
    options = (
        click.option(
            "--mcp",
            "mcp",
            metavar="SERVER",
            multiple=True,
            help="An MCP server: NAME=COMMAND, NAME=URL, or a JSON file with mcpServers, in which ${VARIABLE} is taken"
            " from the environment.",
        ),
        click.option(
            "--add-dir",
            "add_dir",
            metavar="DIRECTORY",
            multiple=True,
            type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
            help="A directory that the agent may use beside its workspace.",
        ),
        click.option("--sandbox", type=click.Choice(get_args(SandboxMode)), help="What Codex's commands may reach."),
        click.option(
            "--env",
            "env",
            metavar="NAME[=VALUE]",
            multiple=True,
            help="A variable for the agent; without a value, that of the environment.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def session_config(
    mcp: Sequence[str], add_dir: Sequence[Path], sandbox: SandboxMode | None, env: Sequence[str]
) -> SessionConfig:
    """The config that the options ask for.

    Raises:
        click.BadParameter: a server or a variable is not understood.
    """
    servers: dict[str, McpServer] = {}
    for text in mcp:
        servers |= _servers(text)
    variables: dict[str, ConfigText] = {}
    for text in env:
        name, given, value = text.partition("=")
        variables[name] = value if given else HostVariable(name)
    try:
        return SessionConfig(mcp_servers=servers, additional_directories=add_dir, sandbox=sandbox, env=variables)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _servers(text: str) -> dict[str, McpServer]:
    name, given, target = text.partition("=")
    if not given:
        return _servers_of_file(Path(text))
    if target.startswith(("http://", "https://")):
        return {name: HttpMcpServer(url=target)}
    try:
        words = shlex.split(target)
    except ValueError:
        words = []
    if not words:
        raise click.BadParameter(f"{text!r} names no command", param_hint="--mcp")
    return {name: StdioMcpServer(command=words[0], args=tuple(words[1:]))}


def _servers_of_file(path: Path) -> dict[str, McpServer]:
    try:
        listed = orjson.loads(path.read_bytes())["mcpServers"]
        return {name: _server(fields) for name, fields in listed.items()}
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="--mcp") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"{path} is no JSON file with mcpServers: {type(error).__name__}: {error}"
        raise click.BadParameter(fault, param_hint="--mcp") from error


def _server(fields: Mapping[str, Any]) -> McpServer:
    if "url" in fields:
        return HttpMcpServer(url=fields["url"], headers=_texts(fields.get("headers", {})))
    return StdioMcpServer(command=fields["command"], args=fields.get("args", ()), env=_texts(fields.get("env", {})))


def _texts(texts: Mapping[str, str]) -> dict[str, ConfigText]:
    """Texts in which `${VARIABLE}` is read when the agent starts: a whole one is a variable of the host."""
    return {name: _text(text) for name, text in texts.items()}


def _text(text: str) -> ConfigText:
    whole = _VARIABLE.fullmatch(text)
    if whole is not None:
        return HostVariable(whole[1])
    if _VARIABLE.search(text) is None:
        return text
    return lambda: _VARIABLE.sub(lambda match: os.environ[match[1]], text)
