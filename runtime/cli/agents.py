"""Which agent a command names: `codex`, `claude`, `rehearsal`, or `acp:` and the command line of any ACP agent.

Whoever runs the command line runs the agent: it gets the whole environment of the terminal, as if it had been started
there, but for what makes git see another repository.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Final, cast, get_args

import attrs
import click

from ...actors.providers.acp.provider import AcpProvider
from ...actors.providers.adapter import Provider
from ...actors.providers.rehearsal import rehearsal_command

_ACP: Final = "acp:"


@attrs.frozen
class AgentChoice:
    """An agent that was named. `provider` makes what starts it, in a mode or in the agent's own (None).

    Raises, when it is called, click.BadParameter: the agent has no such mode.
    """

    provider: Callable[[str | None], Provider]


class AgentParameter(click.ParamType[AgentChoice]):
    """Turns the name of an agent into the choice of it."""

    name = "agent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> AgentChoice:
        match str(value):
            case "codex":
                return AgentChoice(_codex)
            case "claude":
                return AgentChoice(_claude)
            case "rehearsal":
                return AgentChoice(
                    lambda mode: AcpProvider(rehearsal_command(), name="rehearsal", mode=mode, inherit_env="all")
                )
            case text if text.startswith(_ACP) and (command := _words(text.removeprefix(_ACP))):
                return AgentChoice(
                    lambda mode: AcpProvider(command, name=f"acp:{command[0]}", mode=mode, inherit_env="all")
                )
            case text:
                self.fail(f"{text!r} is not an agent: use codex, claude, rehearsal, or acp:COMMAND", param, ctx)


def _words(command_line: str) -> list[str]:
    """The words of a command line as a shell splits them; none where its quotes are not closed."""
    try:
        return shlex.split(command_line)
    except ValueError:
        return []


def _codex(mode: str | None) -> Provider:
    from ...actors.providers.codex.handshake import SandboxMode
    from ...actors.providers.codex.provider import CodexProvider

    if mode is None:
        return CodexProvider(inherit_env="all")
    return CodexProvider(inherit_env="all", sandbox=cast("SandboxMode", _one_of(mode, get_args(SandboxMode))))


def _claude(mode: str | None) -> Provider:
    from ...actors.providers.claude.provider import ClaudeProvider, PermissionMode

    if mode is None:
        return ClaudeProvider(inherit_env="all")
    return ClaudeProvider(
        inherit_env="all", permission_mode=cast("PermissionMode", _one_of(mode, get_args(PermissionMode)))
    )


def _one_of(mode: str, modes: tuple[str, ...]) -> str:
    if mode not in modes:
        raise click.BadParameter(f"{mode!r} is not one of {', '.join(modes)}", param_hint="--mode")
    return mode
