"""An agent that the conformance suite can direct: its provider, and prompts that make it do a known thing."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orchestrion.actors.providers.acp import AcpProvider
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.rehearsal import rehearsal_command

__all__ = ["ProviderCase", "RehearsalCase"]


class ProviderCase(Protocol):
    """One kind of agent. Each method returns the prompt of a turn that does what its name says."""

    @property
    def provider(self) -> Provider: ...

    @property
    def bogus_cursor(self) -> dict[str, str]:
        """A well-formed cursor of a conversation that never was."""

    def say(self, *words: str) -> str:
        """Streams the words, a chunk for each at least."""

    def write(self, path: str, content: str) -> str:
        """Asks permission to write a file of the workspace, writes it if allowed, and ends the turn well."""

    def run_tool(self) -> str:
        """Runs one tool that needs no permission, then says something."""

    def talk_forever(self) -> str:
        """Says something, then goes on until it is interrupted."""

    def fail(self, message: str) -> str:
        """Ends the turn with an error that carries the message."""

    def recall(self) -> str:
        """Says, among other words, the prompts of the conversation's earlier turns."""


class RehearsalCase:
    """The rehearsal agent through `AcpProvider`."""

    bogus_cursor = {"sessionId": "rehearsal-0000000000000000"}  # noqa: RUF012 - the protocol asks for a plain value

    def __init__(self, state: Path, *, resume: str = "load", grace_seconds: float = 0.2) -> None:
        self.provider = AcpProvider(
            rehearsal_command(state=state, resume=resume),
            name="rehearsal",
            end_grace_seconds=grace_seconds,
        )

    def say(self, *words: str) -> str:
        return f"say {' '.join(words)}"

    def write(self, path: str, content: str) -> str:
        return f"write {path} {content}"

    def run_tool(self) -> str:
        return "run make\nsay made"

    def talk_forever(self) -> str:
        return "say working\nwait-for never"

    def fail(self, message: str) -> str:
        return f"fail {message}"

    def recall(self) -> str:
        return "recall"
