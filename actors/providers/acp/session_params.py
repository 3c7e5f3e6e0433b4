"""What opens a session of an ACP agent, from a host's config. Pure.

Every agent takes MCP servers that it starts. One behind HTTP and additional directories are taken by agents that
advertise it. The protocol has no field for a sandbox or for instructions.
Source: https://agentclientprotocol.com/protocol/session-setup
"""

from __future__ import annotations

from pathlib import Path

from ....contracts.errors import ProviderUnavailable
from ....contracts.values import JsonObject
from ..session_config import HttpMcpServer, McpServer, SessionConfig, StdioMcpServer, plain_texts
from .handshake import AgentFeatures

__all__ = ["check_config", "session_params"]


def check_config(config: SessionConfig, agent: AgentFeatures, *, program: str) -> None:
    """Raises: ProviderUnavailable: the agent cannot do what the config asks for."""
    if config.sandbox is not None:
        raise ProviderUnavailable(
            f"{program} has no sandbox that its client could set, such as {config.sandbox!r}: configure the agent"
        )
    if config.instructions is not None:
        raise ProviderUnavailable(f"{program} takes no instructions of its client: write them to a file that it reads")
    if config.additional_directories and not agent.takes_directories:
        raise ProviderUnavailable(f"{program} takes no additional directories")
    behind_http = [name for name, server in config.mcp_servers.items() if isinstance(server, HttpMcpServer)]
    if behind_http and not agent.takes_http_servers:
        raise ProviderUnavailable(f"{program} takes no MCP servers behind HTTP, such as {behind_http[0]!r}")


def session_params(workspace: Path, config: SessionConfig) -> JsonObject:
    """Where a session works and what it may use, for `session/new`, `session/load` and `session/resume`."""
    params: JsonObject = {
        "cwd": str(workspace.absolute()),
        "mcpServers": [_server(name, server) for name, server in config.mcp_servers.items()],
    }
    if config.additional_directories:
        params["additionalDirectories"] = [str(directory) for directory in config.additional_directories]
    return params


def _server(name: str, server: McpServer) -> JsonObject:
    if isinstance(server, StdioMcpServer):
        env = _pairs(plain_texts(server.env))
        return {"name": name, "command": server.command, "args": list(server.args), "env": env}
    return {"type": "http", "name": name, "url": server.url, "headers": _pairs(plain_texts(server.headers))}


def _pairs(texts: dict[str, str]) -> list[JsonObject]:
    return [{"name": name, "value": value} for name, value in texts.items()]
