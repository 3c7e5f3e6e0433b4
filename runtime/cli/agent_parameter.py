"""Which agent a command names: one of the catalogue, `rehearsal`, or `acp:` and the command line of any ACP agent.

The user of the command line runs the agent: it gets the whole environment of the terminal, as if it had been started
there, but for what makes git see another repository.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import click

from ...actors.providers.acp.provider import AcpProvider
from ...actors.providers.adapter import Provider
from ...actors.providers.catalogue.providers import provider_from_catalogue
from ...actors.providers.catalogue.reading import read_catalogue
from ...actors.providers.rehearsal import rehearsal_command
from ...contracts.errors import InvalidRequest

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
        text = str(value)
        if text == "rehearsal":
            return _acp_choice(rehearsal_command(), name="rehearsal")
        if text.startswith(_ACP) and (command := _words(text.removeprefix(_ACP))):
            return _acp_choice(command, name=f"acp:{command[0]}")
        try:
            read_catalogue().find(text)
        except InvalidRequest as error:
            self.fail(f"{error.fault}; or use rehearsal, or acp:COMMAND", param, ctx)
        return AgentChoice(lambda mode: _from_catalogue(text, mode))


def _acp_choice(command: Sequence[str], *, name: str) -> AgentChoice:
    return AgentChoice(lambda mode: AcpProvider(command, name=name, mode=mode, inherit_env="all"))


def _from_catalogue(name: str, mode: str | None) -> Provider:
    try:
        return provider_from_catalogue(name, mode=mode, inherit_env="all")
    except InvalidRequest as error:
        raise click.BadParameter(error.fault, param_hint="--mode") from error


def _words(command_line: str) -> list[str]:
    """The words of a command line as a shell splits them; none where its quotes are not closed."""
    try:
        return shlex.split(command_line)
    except ValueError:
        return []
