"""An agent that the conformance suite can direct: its provider, and prompts that make it do a known thing.

Who writes an adapter writes a `ProviderCase` for an agent that can be directed, by a scripted model or by its prompts,
and a `Cases` that opens one for a test. `ORCHESTRION_CASE=package.module:name make conformance` runs the suite on it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.rehearsal import rehearsal_command

__all__ = ["Cases", "ModelFailure", "ProviderCase", "RehearsalCase", "late_program", "rehearsal_case"]

ModelFailure: TypeAlias = Literal["too many requests", "dropped connection", "garbage"]


class ProviderCase(Protocol):
    """One kind of agent. Each method that returns text returns the prompt of a turn that does what its name says."""

    @property
    def provider(self) -> Provider:
        """The adapter under test. It is pickled, to be used by a host that is killed."""

    @property
    def bogus_cursor(self) -> dict[str, str]:
        """A well-formed cursor of a conversation that never was."""

    @property
    def endless_retries(self) -> frozenset[ModelFailure]:
        """After which failures of its model the agent tries again until it is interrupted."""

    def late(self, seconds: float, *, start_deadline_seconds: float) -> Provider:
        """The same agent, whose program waits so long before it begins."""

    def say(self, *words: str) -> str:
        """Streams the words, a chunk for each at least."""

    def write(self, path: str, content: str) -> str:
        """Asks permission to write a file of the workspace, writes it if allowed, and ends the turn well."""

    def run_tool(self) -> str:
        """Runs one tool that needs no permission, then says something."""

    def run_for_an_hour(self) -> str:
        """Runs a command that lasts an hour, asking permission or not."""

    def talk_forever(self) -> str:
        """Says something, then goes on until it is interrupted."""

    def fail(self, message: str) -> str:
        """Ends the turn with an error that carries the message."""

    def model_fails(self, failure: ModelFailure) -> str:
        """Its model fails, from the first request or in the middle of an answer, and goes on failing."""

    def recall(self) -> str:
        """Says, among other words, the prompts of the conversation's earlier turns."""


Cases: TypeAlias = Callable[[Path, Path], AbstractContextManager[ProviderCase]]
"""Opens a case for one test, in a directory of its own and with the agent's workspace. Skips where it cannot."""


class RehearsalCase:
    """The rehearsal agent through `AcpProvider`."""

    bogus_cursor = {"sessionId": "rehearsal-0000000000000000"}  # noqa: RUF012 - the protocol asks for a plain value
    endless_retries: frozenset[ModelFailure] = frozenset()

    def __init__(self, directory: Path, *, resume: str = "load") -> None:
        self._directory = directory
        self._command = rehearsal_command(state=directory / "state", resume=resume)
        self.provider = AcpProvider(self._command, name="rehearsal", end_grace_seconds=0.2)

    def late(self, seconds: float, *, start_deadline_seconds: float) -> AcpProvider:
        program = late_program(self._directory, self._command[0], seconds)
        return AcpProvider(
            [program, *self._command[1:]], start_deadline_seconds=start_deadline_seconds, end_grace_seconds=0.2
        )

    def say(self, *words: str) -> str:
        return f"say {' '.join(words)}"

    def write(self, path: str, content: str) -> str:
        return f"write {path} {content}"

    def run_tool(self) -> str:
        return "run make\nsay made"

    def run_for_an_hour(self) -> str:
        return "exec sleep 3600"

    def talk_forever(self) -> str:
        return "say working\nwait-for never"

    def fail(self, message: str) -> str:
        return f"fail {message}"

    def model_fails(self, failure: ModelFailure) -> str:
        return f"fail {failure}"

    def recall(self) -> str:
        return "recall"


@contextmanager
def rehearsal_case(directory: Path, workspace: Path) -> Iterator[RehearsalCase]:
    del workspace
    yield RehearsalCase(directory)


def late_program(directory: Path, program: str, seconds: float) -> str:
    """A program that waits, then becomes `program`."""
    late = directory / "late-program"
    late.write_text(f'#!/bin/sh\nsleep {seconds}\nexec {shlex.quote(program)} "$@"\n')
    late.chmod(0o755)
    return str(late)
