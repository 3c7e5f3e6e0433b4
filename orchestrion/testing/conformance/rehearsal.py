"""The rehearsal agent as the conformance suite directs it: the example of a `ProviderCase`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...actors.providers.acp.provider import AcpProvider
from ...actors.providers.acp.rehearsal import RehearsalProvider
from ...actors.providers.rehearsal import rehearsal_command
from .case import ModelFailure, ProviderCase, late_program

__all__ = ["RehearsalCase", "rehearsal_case"]

_END_GRACE_SECONDS = 0.2


class RehearsalCase(ProviderCase):
    """The rehearsal agent through `AcpProvider`."""

    provider: AcpProvider
    bogus_cursor = {"sessionId": "rehearsal-0000000000000000"}  # noqa: RUF012 - nobody changes it

    def __init__(self, directory: Path, *, resume: str = "load") -> None:
        self._directory = directory
        self._command = rehearsal_command(state=directory / "state", resume=resume)
        self.provider = RehearsalProvider(
            state=directory / "state", resume=resume, end_grace_seconds=_END_GRACE_SECONDS
        )

    def late(self, seconds: float, *, start_deadline_seconds: float) -> AcpProvider:
        return AcpProvider(
            [late_program(self._directory, self._command[0], seconds), *self._command[1:]],
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=_END_GRACE_SECONDS,
        )

    def say(self, *words: str) -> str:
        return f"say {' '.join(words)}"

    def write(self, path: str, content: str) -> str:
        return f"write {path} {content}"

    def ask_user(self, text: str, *options: str) -> str:
        return f"question {text}: {'; '.join(options)}"

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

    def see_images(self) -> str:
        return "see"

    def show_image(self, path: str) -> str:
        return f"draw {path}"


@contextmanager
def rehearsal_case(directory: Path, workspace: Path) -> Iterator[RehearsalCase]:
    del workspace
    yield RehearsalCase(directory)
