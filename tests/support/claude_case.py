"""Real Claude Code against a scripted model on loopback: offline, with a home of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.actors.providers.claude.provider import ClaudeProvider
from orchestrion.testing.conformance import ModelFailure, ProviderCase, late_program
from tests.support.fakes.anthropic import AnthropicHandler
from tests.support.fakes.model_core import FakeModel, serving

__all__ = ["ClaudeCase", "bundled_claude", "claude_case", "claude_environment"]

# A connection that drops once is tried again without streaming: it has to drop each time.
_FAILURES: Final[dict[ModelFailure, list[dict[str, Any]]]] = {
    "too many requests": [{"http_error": {"status": 429, "body": {"error": {"message": "slow down"}}}}],
    "dropped connection": [{"text": "half"}, {"drop": True}],
    "garbage": [{"http_error": {"status": 200, "body": {"what": "is this"}}}],
}


class ClaudeCase(ProviderCase):
    """Each prompt carries a mark of its own, by which the model knows what to answer."""

    bogus_cursor = {"sessionId": "4f5e6d7c-0000-4000-8000-00000000dead"}  # noqa: RUF012 - the protocol's plain value

    def __init__(self, model: FakeModel, home: Path, workspace: Path) -> None:
        self.model = model
        self._home = home
        self.environment = claude_environment(model.base_url, home)
        self.provider = ClaudeProvider(env=self.environment, end_grace_seconds=0.5)
        self._workspace = workspace
        self._prompts = 0

    def late(self, seconds: float, *, start_deadline_seconds: float) -> ClaudeProvider:
        return ClaudeProvider(
            cli_path=late_program(self._home, str(bundled_claude()), seconds),
            env=self.environment,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=0.5,
        )

    def say(self, *words: str) -> str:
        rest = [{"text": f" {word}"} for word in words[1:]]
        return self.prompt(f"say {' '.join(words)}", {"text": words[0]}, *rest)

    def write(self, path: str, content: str) -> str:
        return self.use("Write", file_path=str(self._workspace / path), content=content)

    def ask_user(self, text: str, *options: str) -> str:
        offered = [{"label": option, "description": f"Take {option}"} for option in options]
        return self.use(
            "AskUserQuestion",
            questions=[{"question": text, "header": "Colour", "options": offered, "multiSelect": False}],
        )

    def was_answered(self, answer: str, said: str) -> bool:
        return answer in json.dumps(self.model.script.requests()[-1]["body"]["messages"][-1])

    def run_tool(self) -> str:
        return self.use("Bash", command="pwd")

    def run_for_an_hour(self) -> str:
        return self.use("Bash", command="touch started; sleep 3600")  # it refuses a sleep alone

    def talk_forever(self) -> str:
        return self.prompt("talk", {"text": "working"}, {"hang": 600})

    def fail(self, message: str) -> str:
        error = {"type": "rate_limit_error", "message": message}
        return self.prompt("fail", {"http_error": {"status": 429, "body": {"type": "error", "error": error}}})

    def model_fails(self, failure: ModelFailure) -> str:
        return self.prompt("fail", *_FAILURES[failure])

    def recall(self) -> str:
        return self.prompt("recall", {"history": True})

    def see_images(self) -> str:
        return self.prompt("see", {"images": True})

    def show_image(self, path: str) -> str:
        return self.use("Read", file_path=str(self._workspace / path))

    def use(self, tool: str, **given: Any) -> str:
        """Says something, uses the tool, and says that it is done."""
        return self.prompt(f"use {tool}", {"text": "Let me see."}, {"tool_call": {"name": tool, "arguments": given}})

    other_model = "claude-other-model"

    def name_model(self) -> str:
        return self.prompt("which", {"model": True})

    def use_server(self, server: str, tool: str, **arguments: str) -> str:
        return self.use(f"mcp__{server}__{tool}", **arguments)

    def prompt(self, words: str, *events: dict[str, Any]) -> str:
        """A prompt that the model answers with these events, however often it is asked."""
        self._prompts += 1
        text = f"@@{self._prompts}@@ {words}"
        self.model.script.prepend({"last_user_contains": text}, list(events))
        return text


def bundled_claude() -> Path:
    """The program that the SDK brings."""
    import claude_agent_sdk  # an optional extra

    return Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"


def claude_environment(base_url: str, home: Path) -> dict[str, str]:
    """What keeps Claude Code offline and away from the user's own configuration."""
    return {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "x",
        "HOME": str(home),
        "TMPDIR": str(home),
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "DISABLE_AUTOUPDATER": "1",
        "IS_SANDBOX": "1",
    }


@contextmanager
def claude_case(directory: Path, workspace: Path) -> Iterator[ClaudeCase]:
    """A case whose model serves as long as the block runs. Skips the test where the SDK is not installed."""
    pytest.importorskip("claude_agent_sdk", reason="make agents")
    home = directory / "home"
    home.mkdir()
    with serving(AnthropicHandler) as model:
        yield ClaudeCase(model, home, workspace)
