"""An agent that the conformance suite can direct: its adapter, and prompts that make it do a known thing.

The author of an adapter writes a `ProviderCase` for an agent that can be directed, by a scripted model or by its
prompts, and a `Cases` that opens one for a test.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias

import pytest

from ...actors.providers.adapter import Provider

__all__ = ["Cases", "ModelFailure", "ProviderCase", "late_program"]

ModelFailure: TypeAlias = Literal["too many requests", "dropped connection", "garbage"]


class ProviderCase(ABC):
    """One kind of agent. Each method that returns text returns the prompt of a turn that does what its name says.

    A prompt that a case does not define is one that its agent cannot perform: the scenarios that need it are skipped,
    with that reason. New prompts get a default that skips, so that older cases remain valid.
    """

    provider: Provider
    """The adapter under test. Where its agent is a process, it can be pickled: a host that is killed uses it too."""

    bogus_cursor: Mapping[str, str]
    """A well-formed cursor of a conversation that never was."""

    endless_retries: frozenset[ModelFailure] = frozenset()
    """The failures of its model after which the agent tries again until it is interrupted."""

    @abstractmethod
    def say(self, *words: str) -> str:
        """Streams the words, at least one chunk for each."""

    @abstractmethod
    def talk_forever(self) -> str:
        """Says something, then goes on until it is interrupted."""

    @abstractmethod
    def fail(self, message: str) -> str:
        """Ends the turn with an error that carries the message."""

    def late(self, seconds: float, *, start_deadline_seconds: float) -> Provider:
        """The same agent, whose program waits that long before it begins."""
        self._undefined("late")

    def write(self, path: str, content: str) -> str:
        """Asks permission to write a file of the workspace, writes it if allowed, and ends the turn well."""
        self._undefined("write")

    def ask_user(self, text: str, *options: str) -> str:
        """Asks the user this question with these options, and ends the turn well, answered or not."""
        self._undefined("ask_user")

    def was_answered(self, answer: str, said: str) -> bool:
        """Whether the answer reached the agent. `said` is what it said since."""
        return answer in said

    def run_tool(self) -> str:
        """Runs one tool that needs no permission, then says something."""
        self._undefined("run_tool")

    def run_for_an_hour(self) -> str:
        """Runs a command that lasts an hour, asking permission or not."""
        self._undefined("run_for_an_hour")

    def model_fails(self, failure: ModelFailure) -> str:
        """Its model fails, from the first request or in the middle of an answer, and goes on failing."""
        self._undefined("model_fails")

    def recall(self) -> str:
        """Says, among other words, the prompts of the conversation's earlier turns."""
        self._undefined("recall")

    def see_images(self) -> str:
        """Says how many images came with the prompt: `images: 1`."""
        self._undefined("see_images")

    def show_image(self, path: str) -> str:
        """Shows the PNG at `path`, relative to the workspace, in a message or as the result of a tool."""
        self._undefined("show_image")

    @property
    def other_model(self) -> str:
        """A model that turns which name none do not have."""
        self._undefined("other_model")

    def name_model(self) -> str:
        """Says the name of the turn's model, and nothing else."""
        self._undefined("name_model")

    def use_server(self, server: str, tool: str, **arguments: str) -> str:
        """Calls a tool of an MCP server, asking permission or not, and ends the turn well."""
        self._undefined("use_server")

    def _undefined(self, name: str) -> NoReturn:
        pytest.skip(f"{type(self).__name__} does not define {name}(): this agent is not directed to do that")


Cases: TypeAlias = Callable[[Path, Path], AbstractContextManager[ProviderCase]]
"""Opens a case for one test, in a directory of its own and with the agent's workspace. Skips where it cannot."""


def late_program(directory: Path, program: str, seconds: float) -> str:
    """A program that waits, then becomes `program`."""
    late = directory / "late-program"
    late.write_text(f'#!/bin/sh\nsleep {seconds}\nexec {shlex.quote(program)} "$@"\n')
    late.chmod(0o755)
    return str(late)
