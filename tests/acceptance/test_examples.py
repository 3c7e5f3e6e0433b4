"""The programs of `examples/` do what they say."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
import attrs
import pytest

from orchestrion import MessageDelta, TurnCompleted, in_process_provider
from orchestrion.testing.conformance.reading import session
from tests.support.fakes.model_core import FakeModel, serving
from tests.support.fakes.openai_chat import ChatHandler
from tests.support.marks import ROOT

EXAMPLES: Final = ROOT / "examples"


@attrs.frozen
class Chat:
    """The example program and the scripted model that it talks to."""

    model: FakeModel
    directory: Path

    def run(self, prompt: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(EXAMPLES / "in_process_model.py"), f"{self.model.base_url}/v1", "tiny", prompt]
        environment = {**os.environ, "OPENAI_API_KEY": "key"}
        return subprocess.run(
            program, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def messages(self) -> list[tuple[str, str]]:
        """What the model was given last."""
        body = self.model.script.requests()[-1]["body"]
        assert (body["model"], body["stream"]) == ("tiny", True)
        return [(message["role"], message["content"]) for message in body["messages"]]


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    with serving(ChatHandler) as model:
        yield Chat(model, tmp_path)


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if f"]({path.name})" not in listed] == []


def test_model_example_streams_and_the_next_run_remembers(chat: Chat) -> None:
    chat.model.script.prepend({"last_user_contains": "name a bird"}, [{"text": "A pel"}, {"text": "ican."}])
    chat.model.script.prepend({"last_user_contains": "another"}, [{"text": "A heron."}])
    first = chat.run("name a bird")
    assert (first.returncode, first.stdout, first.stderr) == (0, "A pelican.\n", "")
    assert chat.messages() == [("user", "name a bird")]
    second = chat.run("another")
    assert (second.returncode, second.stdout, second.stderr) == (0, "A heron.\n", "")
    assert chat.messages() == [("user", "name a bird"), ("assistant", "A pelican."), ("user", "another")]


@pytest.mark.anyio
async def test_model_example_ends_its_request_when_interrupted(chat: Chat, tmp_path: Path) -> None:
    chat.model.script.prepend({"last_user_contains": "talk"}, [{"text": "Well"}, {"hang": 600}])
    names = await anyio.to_thread.run_sync(runpy.run_path, str(EXAMPLES / "in_process_model.py"))
    provider = in_process_provider("chat", names["ChatModel"](f"{chat.model.base_url}/v1", "tiny").answer)
    async with session(provider, tmp_path) as read:
        await read.start_turn("talk")
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([{"http_error": {"status": 429, "body": {"error": {"message": "slow down"}}}}], "HTTP 429"),
        ([{"text": "half"}, {"drop": True}], "the model's answer was cut off"),
    ],
)
def test_model_example_reports_a_failure_of_the_model(chat: Chat, events: list[dict[str, object]], error: str) -> None:
    chat.model.script.prepend({"last_user_contains": "name"}, events)
    ran = chat.run("name a bird")
    assert ran.returncode == 1
    assert error in ran.stderr


def run_example(directory: Path, name: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """An example that uses the rehearsal agent, in a directory of its own."""
    environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state")}
    program = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(
        program, cwd=directory, env=environment, input=typed, capture_output=True, text=True, timeout=200, check=False
    )


def test_recover_example_finds_the_killed_turn_interrupted(tmp_path: Path) -> None:
    killed = run_example(tmp_path, "recover.py", "kill")
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "killed after: 'The first half has arrived.'\n")
    found = run_example(tmp_path, "recover.py").stdout.splitlines()
    assert found[:2] == ["the last turn is interrupted", "its text: 'The first half has arrived.'"]
    assert found[2].startswith("the agent: I remember 1 turn")


def test_bot_example_answers_each_request_in_its_own_directory(tmp_path: Path) -> None:
    ended = run_example(tmp_path, "bot.py", "6")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(ended.stdout.splitlines()) == [f"{number:02} completed, 1 line added" for number in range(1, 7)]
    answers = {path.parent.name: path.read_text() for path in (tmp_path / "bot").rglob("answer.txt")}
    assert answers == {f"{number:02}": str(number) for number in range(1, 7)}


def test_terminal_chat_example_asks_and_the_next_run_remembers(tmp_path: Path) -> None:
    first = run_example(tmp_path, "terminal_chat.py", typed="write a.txt hi\ny\n\n")
    assert (first.returncode, first.stderr) == (0, "")
    assert "Write a.txt? [y/n] wrote a.txt" in first.stdout
    assert (tmp_path / "a.txt").read_text() == "hi"
    assert "I remember 1 turn" in run_example(tmp_path, "terminal_chat.py", typed="recall\n\n").stdout
