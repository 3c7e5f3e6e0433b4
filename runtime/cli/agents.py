"""Which agent a command names: `codex`, `claude`, `rehearsal`, or `acp:` and the command line of any ACP agent."""

from __future__ import annotations

import shlex
from typing import Final

import click

from ...actors.providers.acp import AcpProvider
from ...actors.providers.adapter import Provider
from ...actors.providers.rehearsal import rehearsal_command

_ACP: Final = "acp:"


class AgentParameter(click.ParamType[Provider]):
    """Turns the name of an agent into the provider that starts it."""

    name = "agent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Provider:
        match str(value):
            case "codex":
                from ...actors.providers.codex import CodexProvider

                return CodexProvider()
            case "claude":
                from ...actors.providers.claude import ClaudeProvider

                return ClaudeProvider()
            case "rehearsal":
                return AcpProvider(rehearsal_command(), name="rehearsal")
            case text if text.startswith(_ACP) and shlex.split(text.removeprefix(_ACP)):
                command = shlex.split(text.removeprefix(_ACP))
                return AcpProvider(command, name=f"acp:{command[0]}")
            case text:
                self.fail(f"{text!r} is no agent: use codex, claude, rehearsal, or acp:COMMAND", param, ctx)
