"""The rehearsal agent as a provider."""

from __future__ import annotations

from os import PathLike

from ..rehearsal import rehearsal_command
from .provider import AcpProvider

__all__ = ["RehearsalProvider"]


class RehearsalProvider(AcpProvider):
    """The agent for trials and tests that comes with the package. It needs no model: a prompt is its script.

    `python -m pydoc orchestrion.actors.providers.rehearsal` lists what a script may say. Two of the directives:
    `write PATH CONTENT` asks to write a file, `say TEXT` streams text; a line of any other words is said as well.
    `state` is the directory that keeps its conversations, by default one in the user's state directory. `resume` is how
    they are resumed: `load`, `resume` or `none`. With `steering` the agent takes messages into a running turn.

    Raises:
        ProviderUnavailable: no Python interpreter has this package.
    """

    def __init__(
        self,
        *,
        name: str = "rehearsal",
        state: str | PathLike[str] | None = None,
        resume: str = "load",
        steering: bool = False,
        end_grace_seconds: float = 2.0,
    ) -> None:
        super().__init__(
            rehearsal_command(state=state, resume=resume, steering=steering),
            name=name,
            end_grace_seconds=end_grace_seconds,
        )
