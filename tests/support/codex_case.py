"""Real Codex against a scripted model on loopback: offline, with a home of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.actors.providers.codex.provider import ApprovalPolicy, CodexProvider, SandboxMode
from orchestrion.testing.conformance import ModelFailure, ProviderCase, late_program
from tests.support.fakes.model_core import FakeModel, serving
from tests.support.fakes.openai_responses import ResponsesHandler

__all__ = ["CodexCase", "codex_case"]

# Without the zeros a failing turn makes 30 requests. A model that Codex does not know is not offered `apply_patch`. The
# sandbox is wide open, so that a provider that forgets to name its own is noticed.
CONFIGURATION = """
model = "gpt-5.5"
sandbox_mode = "danger-full-access"
model_provider = "fake"
[model_providers.fake]
name = "fake"
base_url = "{base_url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
[features]
default_mode_request_user_input = true
"""

_FAILURES: Final[dict[ModelFailure, list[dict[str, Any]]]] = {
    "too many requests": [{"http_error": {"status": 429, "body": {"error": {"message": "slow down"}}}}],
    "dropped connection": [{"text": "half"}, {"drop": True}],
    "garbage": [{"text": "half"}, {"garbage": "data: {this is no event\n\n"}, {"drop": True}],
}


class CodexCase(ProviderCase):
    """Each prompt carries a mark of its own, by which the model knows what to answer."""

    bogus_cursor = {"threadId": "01a20748-0000-7000-8000-00000000dead"}  # noqa: RUF012 - the protocol's plain value

    def __init__(self, model: FakeModel, directory: Path) -> None:
        self.model = model
        self._directory = directory
        self._prompts = 0
        for name in ("codex", "home", "tmp"):
            (directory / name).mkdir()
        (directory / "codex" / "config.toml").write_text(CONFIGURATION.format(base_url=model.base_url))
        self.provider = self.provided()

    def provided(
        self,
        *,
        approval_policy: ApprovalPolicy = "on-request",
        sandbox: SandboxMode = "read-only",
        model: str | None = None,
        program: str | None = None,
        start_deadline_seconds: float = 30.0,
    ) -> CodexProvider:
        """By default one that may look without asking and asks before it writes."""
        return CodexProvider(
            command=None if program is None else [program, "app-server"],
            env={
                "CODEX_HOME": str(self._directory / "codex"),
                "HOME": str(self._directory / "home"),
                "TMPDIR": str(self._directory / "tmp"),
            },
            approval_policy=approval_policy,
            sandbox=sandbox,
            model=model,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=0.5,
        )

    @property
    def program(self) -> str:
        from codex_cli_bin import bundled_codex_path  # an optional extra

        return str(bundled_codex_path())

    def late(self, seconds: float, *, start_deadline_seconds: float) -> CodexProvider:
        program = late_program(self._directory, self.program, seconds)
        return self.provided(program=program, start_deadline_seconds=start_deadline_seconds)

    def say(self, *words: str) -> str:
        rest = [{"text": f" {word}"} for word in words[1:]]
        return self.prompt(f"say {' '.join(words)}", {"text": words[0]}, *rest)

    def write(self, path: str, content: str) -> str:
        patch = f"*** Begin Patch\n*** Add File: {path}\n+{content}\n*** End Patch"
        return self._use({"custom_tool_call": {"name": "apply_patch", "input": patch}})

    def ask_user(self, text: str, *options: str) -> str:
        offered = [{"label": option, "description": f"Take {option}"} for option in options]
        asked = {"id": "colour", "header": "Colour", "question": text, "options": offered}
        return self._use({"tool_call": {"name": "request_user_input", "arguments": {"questions": [asked]}}})

    def was_answered(self, answer: str, said: str) -> bool:
        return answer in json.dumps(self.model.script.requests()[-1]["body"]["input"][-1])

    def run_tool(self) -> str:
        return self.run("pwd")

    def run(self, command: str) -> str:
        """Says something, runs the command, and says that it is done."""
        return self._use({"tool_call": {"name": "exec_command", "arguments": {"cmd": command}}})

    def run_for_an_hour(self) -> str:
        return self.run("sleep 3600")

    def talk_forever(self) -> str:
        return self.prompt("talk", {"text": "working"}, {"hang": 600})

    def fail(self, message: str) -> str:
        return self.prompt("fail", {"http_error": {"status": 400, "body": {"error": {"message": message}}}})

    def model_fails(self, failure: ModelFailure) -> str:
        return self.prompt("fail", *_FAILURES[failure])

    def recall(self) -> str:
        return self.prompt("recall", {"history": True})

    def see_images(self) -> str:
        return self.prompt("see", {"images": True})

    other_model = "gpt-5.6-sol"

    def name_model(self) -> str:
        return self.prompt("which", {"model": True})

    def use_server(self, server: str, tool: str, **arguments: str) -> str:
        call = {"namespace": f"mcp__{server}", "name": tool, "arguments": arguments}
        return self._use({"tool_call": call})

    def prompt(self, words: str, *events: dict[str, Any]) -> str:
        """A prompt that the model answers with these events, however often it is asked."""
        self._prompts += 1
        text = f"@@{self._prompts}@@ {words}"
        self.model.script.prepend({"last_user_contains": text}, list(events))
        return text

    def _use(self, call: dict[str, Any]) -> str:
        text = self.prompt("use a tool", {"text": "Done."})
        self.model.script.prepend_once({"last_user_contains": text}, [{"text": "Let me see."}, call])
        return text


@contextmanager
def codex_case(directory: Path, workspace: Path) -> Iterator[CodexCase]:
    """A case whose model serves as long as the block runs. Skips the test where Codex is not installed."""
    del workspace
    pytest.importorskip("codex_cli_bin", reason="make agents")
    with serving(ResponsesHandler) as model:
        yield CodexCase(model, directory)
