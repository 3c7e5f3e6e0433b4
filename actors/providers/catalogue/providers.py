"""A provider for an agent of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

from ....contracts.errors import InvalidRequest
from ..acp.provider import AcpProvider
from ..adapter import Provider
from ..claude.provider import ClaudeProvider, PermissionMode
from ..codex.provider import CodexProvider, SandboxMode
from ..process.environment import INHERITED, Environment, Inherited
from .entries import AgentEntry, Catalogue, SharedDaemon, SlowStart
from .reading import read_catalogue

__all__ = ["provider_from_catalogue"]


def provider_from_catalogue(
    agent: str,
    *,
    catalogue: Catalogue | None = None,
    name: str | None = None,
    command: Sequence[str] | None = None,
    mode: str | None = None,
    env: Environment | None = None,
    inherit_env: Inherited | None = None,
) -> Provider:
    """The provider of an agent of `catalogue`, by default of the one that Orchestrion ships, with the agent's quirks.

    `name` is the provider's name, by default the agent's; `command` replaces the catalogue's. Of the host's environment
    passes what `inherit_env` names, by default `INHERITED` and what the agent reads itself; `env` is laid over it.
    `mode` is a mode of an ACP agent, Claude's permission mode or Codex's sandbox. A program that is not there is a
    `ProviderUnavailable` at the first start, with the command that installs it.

    Raises:
        InvalidRequest: the catalogue has no such agent, or the agent has no such mode.
    """
    entry = (catalogue or read_catalogue()).find(agent)
    own: dict[str, Any] = {"name": name or agent, "env": env, "inherit_env": inherit_env, **_quirks(entry)}
    match entry.protocol:
        case "acp":
            return AcpProvider(
                command or entry.command,
                mode=mode,
                install=entry.install.command,
                login=entry.login.command,
                **{**own, "inherit_env": inherit_env or (*INHERITED, *entry.environment)},
            )
        case "codex":
            sandbox = cast("SandboxMode", _one_of(mode, get_args(SandboxMode), "workspace-write"))
            return CodexProvider(command=command, sandbox=sandbox, **own)
        case "claude":
            permission = cast("PermissionMode", _one_of(mode, get_args(PermissionMode), "default"))
            return ClaudeProvider(cli_path=command[0] if command else None, permission_mode=permission, **own)


def _quirks(entry: AgentEntry) -> dict[str, Any]:
    """What the agent's quirks mean for its provider."""
    meant: dict[str, Any] = {}
    for daemon in entry.quirks_of(SharedDaemon):
        meant["shared_programs"] = daemon.programs
    for slow in entry.quirks_of(SlowStart):
        meant["start_deadline_seconds"] = slow.seconds
    return meant


def _one_of(mode: str | None, modes: tuple[str, ...], default: str) -> str:
    if mode is not None and mode not in modes:
        raise InvalidRequest("mode", f"{mode!r} is not one of {', '.join(modes)}")
    return mode or default
