"""The rehearsal agent as a provider: a real agent process that follows its prompt, for the tests of a host."""

from __future__ import annotations

from os import PathLike

from ..actors.providers.acp.provider import AcpProvider
from ..actors.providers.rehearsal import rehearsal_command

__all__ = ["rehearsal_provider"]


def rehearsal_provider(
    state: str | PathLike[str],
    *,
    name: str = "rehearsal",
    resume: str = "load",
    steering: bool = False,
    end_grace_seconds: float = 0.2,
) -> AcpProvider:
    """A provider whose agents need no model and do the same each time. `state` is where they keep conversations.

    A prompt is a script, one directive a line, such as `say TEXT`, `write PATH CONTENT` or `fail MESSAGE`. The
    docstring of `orchestrion.actors.providers.rehearsal` and docs/testing.md list them. `resume` is how conversations
    are resumed: `load`, `resume` or `none`. With `steering` the agents take messages into a running turn.

    Raises:
        ProviderUnavailable: no Python interpreter has this package.
    """
    command = rehearsal_command(state=state, resume=resume, steering=steering)
    return AcpProvider(command, name=name, end_grace_seconds=end_grace_seconds)
