"""An agent on an independent implementation of the Agent Client Protocol, through `AcpProvider`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.testing.conformance import ModelFailure, ProviderCase, late_program

__all__ = ["SdkCase", "sdk_case"]

_ROOT = Path(__file__).resolve().parents[2]


class SdkCase(ProviderCase):
    """The agent of `sdk_agent`, on the SDK of the `agent-client-protocol` package."""

    bogus_cursor = {"sessionId": "sdk-00000000000000000000000000000000"}  # noqa: RUF012 - a plain value, as the protocol declares it

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "state").mkdir()
        self.provider = self._provided(sys.executable)

    def late(self, seconds: float, *, start_deadline_seconds: float) -> AcpProvider:
        program = late_program(self._directory, sys.executable, seconds)
        return self._provided(program, start_deadline_seconds=start_deadline_seconds)

    def say(self, *words: str) -> str:
        return f"say {' '.join(words)}"

    def write(self, path: str, content: str) -> str:
        return f"write {path} {content}"

    def ask_user(self, text: str, *options: str) -> str:
        return f"ask {'|'.join((text, *options))}"

    def run_tool(self) -> str:
        return "run make"

    def run_for_an_hour(self) -> str:
        return "sleep"

    def talk_forever(self) -> str:
        return "talk"

    def fail(self, message: str) -> str:
        return f"fail {message}"

    def model_fails(self, failure: ModelFailure) -> str:
        return f"fail {failure}"

    def recall(self) -> str:
        return "recall"

    other_model = "large"

    def name_model(self) -> str:
        return "model"

    def use_server(self, server: str, tool: str, **arguments: str) -> str:
        return f"use {server} {tool} {json.dumps(arguments)}"

    def in_mode(self, mode: str) -> AcpProvider:
        return self._provided(sys.executable, mode=mode)

    def _provided(self, program: str, *, mode: str | None = None, start_deadline_seconds: float = 30.0) -> AcpProvider:
        return AcpProvider(
            [program, "-m", "tests.support.sdk_agent", str(self._directory / "state")],
            name="sdk",
            env={"PYTHONPATH": str(_ROOT)},
            mode=mode,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=0.5,
        )


@contextmanager
def sdk_case(directory: Path, workspace: Path) -> Iterator[SdkCase]:
    del workspace
    yield SdkCase(directory)
