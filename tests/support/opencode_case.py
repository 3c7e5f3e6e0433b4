"""Real opencode through `AcpProvider`, against a scripted model on loopback: offline, with a home of its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.testing.conformance import ModelFailure, ProviderCase, late_program
from tests.support.fakes.model_core import FakeModel, serving
from tests.support.fakes.openai_chat import ChatHandler

__all__ = ["OpencodeCase", "opencode_case"]

PRIVATE_BIN: Final = Path(__file__).resolve().parents[2] / ".venv" / "agents-npm" / "node_modules" / ".bin"
"""Where `make agents` puts it."""

_FAILURES: Final[dict[ModelFailure, list[dict[str, Any]]]] = {
    "too many requests": [{"http_error": {"status": 429, "body": {"error": {"message": "slow down"}}}}],
    "dropped connection": [{"text": "half"}, {"drop": True}],
    "garbage": [{"text": "half"}, {"garbage": "data: {this is no event\n\n"}, {"drop": True}],
}


class OpencodeCase(ProviderCase):
    """Each prompt carries a mark of its own, by which the model knows what to answer."""

    bogus_cursor = {"sessionId": "ses_00000000000000000000000000"}  # noqa: RUF012 - the protocol asks for a plain value

    endless_retries: frozenset[ModelFailure] = frozenset({"too many requests", "dropped connection"})

    def __init__(self, program: str, model: FakeModel, directory: Path, workspace: Path) -> None:
        self.model = model
        self._program = program
        self._home = directory / "home"
        self._home.mkdir()
        self.provider = self._provided(program)
        self._workspace = workspace
        self._prompts = 0

    def late(self, seconds: float, *, start_deadline_seconds: float) -> AcpProvider:
        program = late_program(self._home, self._program, seconds)
        return self._provided(program, start_deadline_seconds=start_deadline_seconds)

    def say(self, *words: str) -> str:
        rest = [{"text": f" {word}"} for word in words[1:]]
        return self.prompt(f"say {' '.join(words)}", {"text": words[0]}, *rest)

    def write(self, path: str, content: str) -> str:
        return self.use("write", filePath=str(self._workspace / path), content=content)

    def run_tool(self) -> str:
        return self.use("bash", command="pwd", description="Where am I?")

    def run_for_an_hour(self) -> str:
        return self.use("bash", command="sleep 3600", description="Wait")

    def talk_forever(self) -> str:
        return self.prompt("talk", {"text": "working"}, {"hang": 600})

    def fail(self, message: str) -> str:
        return self.prompt("fail", {"http_error": {"status": 400, "body": {"error": {"message": message}}}})

    def model_fails(self, failure: ModelFailure) -> str:
        return self.prompt("fail", *_FAILURES[failure])

    def recall(self) -> str:
        return self.prompt("recall", {"history": True})

    def use(self, tool: str, **given: Any) -> str:
        """Says something, uses the tool, and says that it is done."""
        text = self.prompt("use a tool", {"text": "Done."})
        call = {"tool_call": {"name": tool, "arguments": given}}
        self.model.script.prepend_once(_asked(text), [{"text": "Let me see."}, call])
        return text

    def prompt(self, words: str, *events: dict[str, Any]) -> str:
        """A prompt that the model answers with these events, however often it is asked."""
        self._prompts += 1
        text = f"@@{self._prompts}@@ {words}"
        self.model.script.prepend(_asked(text), list(events))
        return text

    def in_mode(self, mode: str) -> AcpProvider:
        return self._provided(self._program, mode=mode)

    def _provided(self, program: str, *, mode: str | None = None, start_deadline_seconds: float = 60.0) -> AcpProvider:
        return AcpProvider(
            [program, "acp"],
            name="opencode",
            env=opencode_environment(self.model.base_url, self._home),
            mode=mode,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=0.5,
        )


def _asked(text: str) -> dict[str, Any]:
    """A turn's request, not the one for a title, which quotes the prompt and offers no tools."""
    return {"last_user_contains": text, "has_tools": True}


def opencode_environment(base_url: str, home: Path) -> dict[str, str]:
    """What keeps opencode offline and away from the user's own configuration."""
    fake = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Fake",
        "options": {"baseURL": f"{base_url}/v1", "apiKey": "x"},
        "models": {"fake-model": {"name": "Fake"}, "other-model": {"name": "Other"}},
    }
    configuration = {
        "model": "fake/fake-model",
        "small_model": "fake/fake-model",
        "provider": {"fake": fake},
        "permission": {"edit": "ask", "bash": "allow"},
        "share": "disabled",
        "autoupdate": False,
    }
    switched_off = ("MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(configuration),
        "HOME": str(home),
        "TMPDIR": str(home),
        **{f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")},
        **{f"OPENCODE_DISABLE_{name}": "1" for name in switched_off},
    }


@contextmanager
def opencode_case(directory: Path, workspace: Path) -> Iterator[OpencodeCase]:
    """A case whose model serves as long as the block runs. Skips the test where opencode is not installed."""
    program = shutil.which("opencode", path=os.pathsep.join((os.environ.get("PATH", ""), str(PRIVATE_BIN))))
    if program is None:
        pytest.skip("make agents, with npm on the PATH")
    with serving(ChatHandler) as model:
        yield OpencodeCase(program, model, directory, workspace)
