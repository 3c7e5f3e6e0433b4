"""Agents of the catalogue as cases of the conformance suite: real programs, scripted models, homes of their own.

`make conformance AGENT=gemini` installs an agent below `.venv/catalogue` and runs the suite on it. What is peculiar to
an agent is in the catalogue; here is only how it is directed: which API its model speaks, its settings, and what its
tools are called.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.catalogue.entries import AgentEntry, AsksInMode, SharedDaemon
from orchestrion.actors.providers.catalogue.reading import read_catalogue
from orchestrion.testing.conformance import Cases, ModelFailure, ProviderCase, late_program
from tests.support.claude_case import claude_environment
from tests.support.codex_case import CONFIGURATION
from tests.support.fakes.anthropic import AnthropicHandler
from tests.support.fakes.gemini import GeminiHandler
from tests.support.fakes.model_core import FakeModel, Handler, serving
from tests.support.fakes.openai_chat import ChatHandler
from tests.support.fakes.openai_responses import ResponsesHandler

PREFIXES: Final = Path(__file__).resolve().parents[2] / ".venv" / "catalogue"
"""Where `tests.support.agent_conformance` puts them, each in a directory named after agent and version."""

Event = dict[str, Any]


@attrs.frozen(kw_only=True)
class Directions:
    """How an agent is directed. `settle` writes its settings into a home and returns its environment.

    `look` uses a tool in a directory without permission; without it `run` does.
    """

    handler: type[Handler]
    settle: Callable[[Path, str], Mapping[str, str]]
    write: Callable[[str, str], Event]
    run: Callable[[str], Event]
    session_id: str
    failures: Mapping[ModelFailure, list[Event]]
    failed: Callable[[str], Event]
    endless_retries: frozenset[ModelFailure] = frozenset()
    look: Callable[[str], Event] | None = None


class CatalogueCase(ProviderCase):
    """Each prompt carries a mark of its own, by which the model knows what to answer."""

    def __init__(self, entry: AgentEntry, program: str, model: FakeModel, directory: Path, workspace: Path) -> None:
        self.model = model
        self._entry = entry
        self._program = program
        self._directions = DIRECTIONS[entry.name]
        self._home = directory / "home"
        self._home.mkdir()
        self._environment = {
            **{name: str(self._home) for name in ("HOME", "TMPDIR")},
            **{f"XDG_{name}_HOME": str(self._home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")},
            **entry.quiet,
            **self._directions.settle(self._home, model.base_url),
        }
        self.provider = self._provided(program)
        self.bogus_cursor = {"sessionId": self._directions.session_id}
        self.endless_retries = self._directions.endless_retries
        self._workspace = workspace
        self._prompts = 0

    def late(self, seconds: float, *, start_deadline_seconds: float) -> AcpProvider:
        program = late_program(self._home, self._program, seconds)
        return self._provided(program, start_deadline_seconds=start_deadline_seconds)

    def say(self, *words: str) -> str:
        rest = [{"text": f" {word}"} for word in words[1:]]
        return self.prompt(f"say {' '.join(words)}", {"text": words[0]}, *rest)

    def write(self, path: str, content: str) -> str:
        return self._use(self._directions.write(str(self._workspace / path), content))

    def run_tool(self) -> str:
        look = self._directions.look
        return self._use(self._directions.run("pwd") if look is None else look(str(self._workspace)))

    def run_for_an_hour(self) -> str:
        return self._use(self._directions.run("touch started; sleep 3600"))

    def talk_forever(self) -> str:
        return self.prompt("talk", {"text": "working"}, {"hang": 600})

    def fail(self, message: str) -> str:
        return self.prompt("fail", self._directions.failed(message))

    def model_fails(self, failure: ModelFailure) -> str:
        return self.prompt("fail", *self._directions.failures[failure])

    def recall(self) -> str:
        return self.prompt("recall", {"history": True})

    def prompt(self, words: str, *events: Event) -> str:
        """A prompt that the model answers with these events, however often it is asked."""
        self._prompts += 1
        text = f"@@{self._prompts}@@ {words}"
        self.model.script.prepend({"last_user_contains": text}, list(events))
        return text

    def _use(self, call: Event) -> str:
        """Says something, uses the tool, and says that it is done."""
        text = self.prompt("use a tool", {"text": "Done."})
        self.model.script.prepend_once({"last_user_contains": text, "has_tools": True}, [{"text": "Let me see."}, call])
        return text

    def _provided(self, program: str, *, start_deadline_seconds: float = 60.0) -> AcpProvider:
        """The provider that the catalogue describes, in the mode in which the agent asks."""
        modes = [quirk.mode for quirk in self._entry.quirks_of(AsksInMode)]
        daemons = [pattern for quirk in self._entry.quirks_of(SharedDaemon) for pattern in quirk.programs]
        return AcpProvider(
            [program, *self._entry.command[1:]],
            name=self._entry.name,
            env=self._environment,
            shared_programs=daemons,
            mode=modes[0] if modes else None,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=0.5,
        )


def _settle_gemini(home: Path, base_url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "sessionRetention": {"enabled": False}},
        "privacy": {"usageStatisticsEnabled": False},
    }
    _write_json(home / ".gemini" / "settings.json", settings)
    return {
        "GEMINI_API_KEY": "x",
        "GOOGLE_GEMINI_BASE_URL": base_url,
        "GEMINI_MODEL": "gemini-2.5-pro",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _settle_qwen(home: Path, base_url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "model": {"maxRetries": 0},
    }
    _write_json(home / ".qwen" / "settings.json", settings)
    return {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": f"{base_url}/v1", "OPENAI_MODEL": "fake-model"}


def _settle_copilot(home: Path, base_url: str) -> Mapping[str, str]:
    return {
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_BASE_URL": f"{base_url}/v1",
        "COPILOT_PROVIDER_API_KEY": "x",
        "COPILOT_MODEL": "claude-sonnet-4.5",
        "COPILOT_OFFLINE": "true",
        "COPILOT_HOME": str(home / ".copilot"),
    }


def _settle_codex(home: Path, base_url: str) -> Mapping[str, str]:
    codex = home / ".codex"
    codex.mkdir()
    configuration = CONFIGURATION.format(base_url=base_url).replace("danger-full-access", "read-only")
    (codex / "config.toml").write_text(f'approval_policy = "on-request"\n{configuration}', encoding="utf-8")
    return {"CODEX_HOME": str(codex), "OPENAI_API_KEY": "x", "CODEX_API_KEY": "x"}


def _settle_claude(home: Path, base_url: str) -> Mapping[str, str]:
    return claude_environment(base_url, home)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _tool(name: str, **given: Any) -> Event:
    return {"tool_call": {"name": name, "arguments": given}}


def _patch(path: str, content: str) -> Event:
    patch = f"*** Begin Patch\n*** Add File: {path}\n+{content}\n*** End Patch"
    return {"custom_tool_call": {"name": "apply_patch", "input": patch}}


def _refused(status: int) -> Callable[[str], Event]:
    return lambda message: {"http_error": {"status": status, "body": {"error": {"message": message}}}}


def _anthropic_refused(message: str) -> Event:
    error = {"type": "rate_limit_error", "message": message}
    return {"http_error": {"status": 429, "body": {"type": "error", "error": error}}}


def _gemini_refused(message: str) -> Event:
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    return {"http_error": {"status": 400, "body": {"error": error}}}


_STREAMED: Final[dict[ModelFailure, list[Event]]] = {
    "too many requests": [_refused(429)("slow down")],
    "dropped connection": [{"text": "half"}, {"drop": True}],
    "garbage": [{"text": "half"}, {"garbage": "data: {this is no event\n\n"}, {"drop": True}],
}
_ANTHROPIC: Final[dict[ModelFailure, list[Event]]] = {
    **_STREAMED,
    "garbage": [{"http_error": {"status": 200, "body": {"what": "is this"}}}],
}

DIRECTIONS: Final[dict[str, Directions]] = {
    "gemini": Directions(
        handler=GeminiHandler,
        settle=_settle_gemini,
        write=lambda path, content: _tool("write_file", file_path=path, content=content),
        run=lambda command: _tool("run_shell_command", command=command, description="Look"),
        session_id="00000000-0000-4000-8000-00000000dead",
        failures=_STREAMED,
        failed=_gemini_refused,
    ),
    "qwen": Directions(
        handler=ChatHandler,
        settle=_settle_qwen,
        write=lambda path, content: _tool("write_file", file_path=path, content=content),
        run=lambda command: _tool("run_shell_command", command=command, is_background=False),
        session_id="00000000-0000-4000-8000-00000000dead",
        failures=_STREAMED,
        failed=_refused(400),
    ),
    "copilot": Directions(
        handler=ChatHandler,
        settle=_settle_copilot,
        write=lambda path, content: _tool("create", path=path, file_text=content),
        run=lambda command: _tool("bash", command=command, description="Look"),
        look=lambda directory: _tool("view", path=directory),
        session_id="00000000-0000-4000-8000-00000000dead",
        failures=_STREAMED,
        failed=_refused(400),
    ),
    "codex-acp": Directions(
        handler=ResponsesHandler,
        settle=_settle_codex,
        write=_patch,
        run=lambda command: _tool("exec_command", cmd=command),
        session_id="01a20748-0000-7000-8000-00000000dead",
        failures=_STREAMED,
        failed=_refused(400),
    ),
    "claude-agent-acp": Directions(
        handler=AnthropicHandler,
        settle=_settle_claude,
        write=lambda path, content: _tool("Write", file_path=path, content=content),
        run=lambda command: _tool("Bash", command=command),
        session_id="00000000-0000-4000-8000-00000000dead",
        failures=_ANTHROPIC,
        failed=_anthropic_refused,
    ),
}


@contextmanager
def catalogue_case(name: str, directory: Path, workspace: Path) -> Iterator[CatalogueCase]:
    """A case whose model serves as long as the block runs. Skips the test where the agent is not installed."""
    entry = read_catalogue().find(name)
    installed = sorted(PREFIXES.glob(f"{name}@*/node_modules/.bin"))
    places = (os.environ.get("PATH", ""), *map(str, installed))
    program = shutil.which(entry.command[0], path=os.pathsep.join(places))
    if program is None:
        pytest.skip(f"make conformance AGENT={name}")
    with serving(DIRECTIONS[name].handler) as model:
        yield CatalogueCase(entry, program, model, directory, workspace)


gemini: Cases = partial(catalogue_case, "gemini")
qwen: Cases = partial(catalogue_case, "qwen")
copilot: Cases = partial(catalogue_case, "copilot")
codex_acp: Cases = partial(catalogue_case, "codex-acp")
claude_agent_acp: Cases = partial(catalogue_case, "claude-agent-acp")
