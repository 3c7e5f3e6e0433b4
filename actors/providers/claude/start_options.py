"""What starts Claude Code, from a host's config. Pure.

MCP servers are given by a control request: an argument would show their secrets to every user of the machine.
Source: `claude --help`
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from ....contracts.errors import ProviderUnavailable
from ....contracts.values import JsonObject
from ..session_config import McpServer, SessionConfig, StdioMcpServer, plain_texts

__all__ = ["PermissionMode", "mcp_servers", "start_options"]

PermissionMode: TypeAlias = Literal["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk"]

_MODES: Final[tuple[str, ...]] = get_args(PermissionMode)
_MOST_INSTRUCTION_BYTES: Final = 100_000
"""Linux takes no argument over 128 KiB."""


def start_options(config: SessionConfig) -> tuple[str, ...]:
    """The arguments.

    Raises:
        ProviderUnavailable: Claude Code cannot do what the config asks for.
    """
    if config.sandbox is not None:
        raise ProviderUnavailable(
            f"Claude Code takes no sandbox of its client, such as {config.sandbox!r}: configure it in its settings"
        )
    if config.mode is not None and config.mode not in _MODES:
        raise ProviderUnavailable(
            f"Claude Code has no permission mode {config.mode!r}: a mode of it is one of {', '.join(_MODES)}"
        )
    return (
        *(() if config.mode is None else ("--permission-mode", config.mode)),
        *(f"--add-dir={directory}" for directory in config.additional_directories),
        *_instructions(config.instructions),
    )


def mcp_servers(config: SessionConfig) -> JsonObject:
    """The servers as a control request gives them, by their names."""
    return {name: _server(server) for name, server in config.mcp_servers.items()}


def _server(server: McpServer) -> JsonObject:
    if isinstance(server, StdioMcpServer):
        return {
            "type": "stdio",
            "command": server.command,
            "args": list(server.args),
            "env": plain_texts(server.env),
        }
    return {"type": "http", "url": server.url, "headers": plain_texts(server.headers)}


def _instructions(instructions: str | None) -> tuple[str, ...]:
    if instructions is None:
        return ()
    size = len(instructions.encode())
    if size > _MOST_INSTRUCTION_BYTES:
        raise ProviderUnavailable(
            f"the instructions have {size} bytes, at most {_MOST_INSTRUCTION_BYTES}: write them to CLAUDE.md"
        )
    return (f"--append-system-prompt={instructions}",)
