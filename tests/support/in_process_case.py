"""An agent inside the host that follows its prompts, through `in_process_provider`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from orchestrion.actors.providers.in_process.provider import in_process_provider
from orchestrion.actors.providers.in_process.turn import InProcessTurn
from orchestrion.contracts.errors import ProviderError
from orchestrion.contracts.ids import ProviderItemId, QuestionId
from orchestrion.contracts.provider_events import ProviderRuntimeEvent, ToolCompleted, ToolStarted
from orchestrion.contracts.questions import Question, QuestionOption
from orchestrion.testing.conformance import ModelFailure, ProviderCase

__all__ = ["InProcessCase", "follow_prompt", "in_process_case"]

TOOL = ProviderItemId("tool")
COLOUR = QuestionId("colour")


async def follow_prompt(turn: InProcessTurn) -> AsyncIterator[ProviderRuntimeEvent | str]:
    """Follow the first word of the prompt, its directive."""
    directive, _, argument = turn.text.partition(" ")
    match directive:
        case "say":
            first, *others = argument.split()
            yield first
            for word in others:
                yield f" {word}"
        case "write":
            path, _, content = argument.partition(" ")
            if await turn.ask(f"Write {path}", kind="fileChange") != "decline":
                await anyio.Path(turn.session.workspace / path).write_text(content)
            yield "done"
        case "ask":
            text, *labels = argument.split("|")
            options = tuple(QuestionOption(label=label) for label in labels)
            answers = await turn.ask_user(text, Question(id=COLOUR, header="Choice", text=text, options=options))
            yield "declined" if answers is None else str(answers[COLOUR])
        case "images":
            yield f"images: {len(turn.request.attachments)}"
        case "model":
            yield turn.request.model or "own"
        case "run":
            yield "Let me see."
            yield ToolStarted(item=TOOL, title="make")
            yield ToolCompleted(item=TOOL, title="make")
            yield "done"
        case "talk":
            yield "working"
            await anyio.sleep_forever()
        case "fail":
            raise RuntimeError(argument)
        case "refuse":
            raise ProviderError(argument, reason="rate_limited")
        case "recall":
            for message in await turn.history():
                yield f"{message.role}: {message.text}\n"
        case _:
            yield turn.text


class InProcessCase(ProviderCase):
    """The generator above."""

    bogus_cursor = {"conversation": "c", "thread": "another"}  # noqa: RUF012 - nobody changes it

    def __init__(self) -> None:
        self.provider = in_process_provider("in-process", follow_prompt)

    def say(self, *words: str) -> str:
        return f"say {' '.join(words)}"

    def write(self, path: str, content: str) -> str:
        return f"write {path} {content}"

    def ask_user(self, text: str, *options: str) -> str:
        return f"ask {'|'.join((text, *options))}"

    def see_images(self) -> str:
        return "images"

    @property
    def other_model(self) -> str:
        return "other"

    def name_model(self) -> str:
        return "model"

    def run_tool(self) -> str:
        return "run"

    def talk_forever(self) -> str:
        return "talk"

    def fail(self, message: str) -> str:
        return f"fail {message}"

    def model_fails(self, failure: ModelFailure) -> str:
        return f"refuse {failure}"

    def recall(self) -> str:
        return "recall"


@contextmanager
def in_process_case(directory: Path, workspace: Path) -> Iterator[InProcessCase]:
    del directory, workspace
    yield InProcessCase()
