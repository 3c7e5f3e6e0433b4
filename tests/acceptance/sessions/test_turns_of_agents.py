"""What an agent reports between turns: late text of the previous turn, and turns that it begins itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from orchestrion.contracts.ids import ProviderItemId
from orchestrion.contracts.provider_events import (
    MessageDelta,
    SessionStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
)
from orchestrion.contracts.values import OpenedTurn, Unset
from tests.support.builders import turn_interrupt
from tests.support.scripted_agent import ScriptedAgent, ScriptedProvider
from tests.support.stage import Asked, Stage, activity, payload, session_of, stage

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def spoken(directory: Path) -> AsyncIterator[tuple[Stage, ScriptedAgent, Asked]]:
    """A thread after its first turn, whose agent is scripted by the test."""
    agent = ScriptedAgent()
    async with stage(directory, providers=[ScriptedProvider(agent)]) as it:
        await agent.report(SessionStarted())
        first = await it.ask("first")
        await it.claimed(first)
        await agent.report(_text("The answer is "), TurnCompleted(outcome="completed"))
        await it.ended(first)
        yield it, agent, first


def _text(text: str) -> MessageDelta:
    return MessageDelta(item=ProviderItemId("m"), text=text)


def _opened_by_agent(event: PersistedEvent) -> bool:
    match event.payload:
        case ThreadSessionSetEvent(turn=OpenedTurn(origin="agent")):
            return True
        case _:
            return False


@pytest.mark.lesson("L39")
async def test_late_text_is_completed_when_the_agent_stays_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrion.actors.sessions.agent_reports.LATE_SILENCE_SECONDS", 0.01)
    async with spoken(tmp_path) as (it, agent, first):
        await it.until(activity("checkpoint.captured"))  # the last event that the first turn leads to
        head = it.runtime.health().head
        await agent.report(_text("42."))
        done = await it.until(
            lambda event: isinstance(event.payload, ThreadMessageSent) and not event.payload.streaming, after=head
        )
        thread = await it.thread()
        assert not isinstance(thread.messages, Unset)
        assert [(message.text, message.turn_id) for message in thread.messages[1:]] == [
            ("The answer is ", first.turn_id),
            ("42.", first.turn_id),
        ]
        assert done.sequence == it.runtime.health().head
        assert [turn.status for turn in thread.turns] == ["completed"]


@pytest.mark.lesson("L39")
async def test_late_text_is_completed_before_the_next_turn_opens(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (it, agent, first):
        await agent.report(_text("42."), ToolStarted(item=ProviderItemId("t"), title="build"), _text("more"))
        await it.until(activity("tool.started"))
        second = await it.ask("second")
        opened = await it.claimed(second)
        log = await it.log()
        late = [
            event.payload for event in log if isinstance(event.payload, ThreadMessageSent) and event.payload.turn_id
        ]
        assert {message.turn_id for message in late} == {first.turn_id}
        assert not late[-1].streaming
        assert all(event.sequence < opened.sequence for event in log if event.payload is late[-1])


@pytest.mark.lesson("L40")
async def test_turn_of_the_agent_has_a_checkpoint_and_queued_turns_wait(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (it, agent, _):
        await it.until(payload(ThreadTurnDiffCompleted))
        await agent.report(TurnStarted(origin="agent"))
        own = session_of(await it.until(_opened_by_agent)).active_turn_id
        queued = await it.ask("second")
        tool = ProviderItemId("t")
        await agent.report(ToolStarted(item=tool, title="build"))
        await it.until(activity("tool.started"))  # read after the turn's baseline was captured
        await it.let_go("built.txt")
        await agent.report(ToolCompleted(item=tool, title="build"), TurnCompleted(outcome="completed"))
        opened = await it.claimed(queued)
        await agent.report(TurnCompleted(outcome="completed"))
        await it.ended(queued)

        thread = await it.thread()
        assert [(turn.turn_count, turn.status) for turn in thread.turns] == [
            (1, "completed"),
            (2, "completed"),
            (3, "completed"),
        ]
        assert (thread.turns[1].turn_id, thread.turns[1].user_message_id) == (own, None)
        assert thread.turns[2].turn_id == queued.turn_id == session_of(opened).active_turn_id
        captured = await it.until(
            lambda event: isinstance(event.payload, ThreadTurnDiffCompleted) and event.payload.turn_id == own
        )
        assert isinstance(captured.payload, ThreadTurnDiffCompleted)
        assert captured.payload.status == "ready"
        assert [file.path for file in captured.payload.files] == ["built.txt"]


@pytest.mark.lesson("L40")
async def test_a_turn_that_the_agent_begins_can_be_interrupted(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (it, agent, _):
        await agent.report(TurnStarted(origin="agent"))
        await it.until(_opened_by_agent)
        asked = await it.send(turn_interrupt())
        await agent.interrupted.wait()
        await agent.report(TurnCompleted(outcome="interrupted"))
        ended = await it.outcome(asked.event_id)
        assert session_of(ended).status == "interrupted"
        assert await it.turn_statuses() == ["completed", "interrupted"]


@pytest.mark.lesson("L40")
async def test_an_agents_turn_that_the_given_one_overtook_does_not_end_it(tmp_path: Path) -> None:
    async with spoken(tmp_path) as (it, agent, _):
        given = await it.ask("second")
        await it.claimed(given)
        await agent.report(TurnStarted(origin="agent"), _text("by itself"), TurnCompleted(outcome="completed"))
        await agent.report(TurnStarted(), _text("as asked"), TurnCompleted(outcome="completed"))
        await it.ended(given)
        thread = await it.thread()
        assert [turn.status for turn in thread.turns] == ["completed", "completed"]
        assert await it.text_of(given) == "by itselfas asked"
