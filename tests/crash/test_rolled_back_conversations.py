"""Real agents follow a revert: turn 1, turn 2, back to 1, turn 3, whose model request shows what is remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.contracts.events import ThreadActivityAppended, ThreadReverted
from tests.support.builders import checkpoint_revert
from tests.support.claude_case import ClaudeCase, claude_case
from tests.support.codex_case import CodexCase, codex_case
from tests.support.git import Repository
from tests.support.reverting_host import REVERT, die_at
from tests.support.stage import Stage, activity, session_of, stage

pytestmark = pytest.mark.anyio

BACKENDS: Final = {"claude": "asyncio", "codex": "trio"}
"""One seed each, because real agents start slowly."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.init(tmp_path / "workspace")
    made.write("users.txt", "the user's\n")
    made.commit_all()
    return made


@pytest.fixture(params=BACKENDS)
def agent_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def anyio_backend(agent_name: str) -> str:
    return BACKENDS[agent_name]


@pytest.fixture
def agent(agent_name: str, tmp_path: Path, repository: Repository) -> Iterator[ClaudeCase | CodexCase]:
    apart = tmp_path / "agent"
    apart.mkdir()
    if agent_name == "claude":
        with claude_case(apart, repository.top) as claude:
            yield claude
    else:
        with codex_case(apart, repository.top) as codex:
            yield codex


async def perform(it: Stage, prompt: str) -> None:
    """Run a whole successful turn, including its checkpoint."""
    asked = await it.ask(prompt)
    assert session_of(await it.ended(asked)).status == "ready"
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


def asked_in(agent: ClaudeCase | CodexCase, prompt: str) -> str:
    """Everything that the model received with this prompt."""
    bodies = [json.dumps(request["body"]) for request in agent.model.script.requests()]
    (body,) = [body for body in bodies if prompt in body]
    return body


async def noted(it: Stage) -> dict[str, Any]:
    event = await it.until(activity("checkpoint.reverted"))
    assert isinstance(event.payload, ThreadActivityAppended)
    return {**event.payload.activity.payload, "summary": event.payload.activity.summary}


@pytest.mark.lesson("L19")
async def test_the_agent_remembers_the_turns_that_were_kept_and_no_other(
    agent: ClaudeCase | CodexCase, repository: Repository, tmp_path: Path
) -> None:
    async with stage(tmp_path, providers=[agent.provider]) as it:
        await perform(it, agent.say("pelican"))
        await perform(it, agent.say("heron"))
        requested = await it.send(checkpoint_revert(turn_count=1))
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
        note = await noted(it)
        assert (note["contextLost"], note["summary"]) == (False, "The workspace stands as at the end of turn 1")
        third = agent.say("stork")
        await perform(it, third)
        assert [turn.turn_count for turn in (await it.thread()).turns] == [1, 2]
    assert ("pelican" in asked_in(agent, third), "heron" in asked_in(agent, third)) == (True, False)


@pytest.mark.lesson("L19")
@pytest.mark.parametrize("point", ["revert.files-restored", "revert.agent-followed", "revert.completed"])
async def test_the_agent_follows_a_revert_whose_host_was_killed(
    point: str, agent: ClaudeCase | CodexCase, repository: Repository, tmp_path: Path, anyio_backend_name: str
) -> None:
    prompts = [agent.say("pelican"), agent.say("heron")]
    die_at(point, tmp_path, anyio_backend_name, provider=agent.provider, prompts=prompts)
    async with stage(tmp_path, providers=[agent.provider]) as it:
        requested = await it.until(lambda event: event.command_id == REVERT.command_id)
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
        assert (await noted(it))["contextLost"] is False
        third = agent.say("stork")
        await perform(it, third)
    assert (repository.top / "users.txt").read_text() == "the user's\n"
    assert ("pelican" in asked_in(agent, third), "heron" in asked_in(agent, third)) == (True, False)
