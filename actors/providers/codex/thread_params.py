"""What opens a thread of Codex, from a host's config. Pure.

MCP servers and directories are overrides of Codex's configuration by their dotted keys: servers that the user
configured stay. Codex forgets all of it when its process ends, so it is passed at each start.
Source: `codex app-server generate-json-schema`; https://developers.openai.com/codex/config-reference
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ....contracts.errors import ProviderUnavailable
from ....contracts.values import JsonObject
from ..loose_json import object_of
from ..session_config import McpServer, SessionConfig, StdioMcpServer, plain_texts

__all__ = ["ApprovalPolicy", "server_names", "thread_params"]

ApprovalPolicy: TypeAlias = Literal["untrusted", "on-request", "never"]

_SERVERS: Final = "mcp_servers."
_POLICIES: Final[tuple[str, ...]] = get_args(ApprovalPolicy)


def thread_params(workspace: Path, config: SessionConfig) -> JsonObject:
    """What `thread/start` and `thread/resume` have in common.

    Raises:
        ProviderUnavailable: the config's mode is no approval policy.
    """
    if config.mode is not None and config.mode not in _POLICIES:
        raise ProviderUnavailable(
            f"Codex has no approval policy {config.mode!r}: a mode of Codex is one of {', '.join(_POLICIES)}"
        )
    given = {
        "sandbox": config.sandbox,
        "approvalPolicy": config.mode,
        "developerInstructions": config.instructions,
    }
    params: JsonObject = {"cwd": str(workspace.absolute())}
    params |= {key: value for key, value in given.items() if value is not None}
    overrides: JsonObject = {f"{_SERVERS}{name}": _server(server) for name, server in config.mcp_servers.items()}
    if config.additional_directories:
        roots = [str(directory) for directory in config.additional_directories]
        overrides["sandbox_workspace_write.writable_roots"] = roots
    return {**params, "config": overrides} if overrides else params


def server_names(params: JsonObject) -> list[str]:
    """The names of the MCP servers that the parameters give."""
    return [key.removeprefix(_SERVERS) for key in object_of(params.get("config")) if key.startswith(_SERVERS)]


def _server(server: McpServer) -> JsonObject:
    if isinstance(server, StdioMcpServer):
        return {"command": server.command, "args": list(server.args), "env": plain_texts(server.env)}
    return {"url": server.url, "http_headers": plain_texts(server.headers)}
