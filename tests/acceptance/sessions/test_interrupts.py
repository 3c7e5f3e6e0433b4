"""Interrupts end a running turn within a deadline, cancel a queued one, and leave a finished one as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.contracts.errors import CommandRejected
from orchestrion.contracts.events import ThreadMessageSent
from tests.support.builders import turn_interrupt
from tests.support.stage import activity, payload, session, session_of, stage

pytestmark = pytest.mark.anyio


async def test_an_interrupt_ends_the_running_turn_and_is_settled_by_its_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("say working\nwait-for never")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(turn)).sequence)
        interrupt = await it.send(turn_interrupt())
        ended = await it.ended(turn)

        assert session_of(ended).status == "interrupted"
        assert ended.causation_event_id == interrupt.event_id
        assert ended.correlation_id == interrupt.command_id
        assert await it.turn_statuses() == ["interrupted"]
        assert await it.text_of(turn) == "working"
        assert session_of(await it.perform("say next")).status == "ready"


async def test_an_interrupt_takes_a_queued_turn_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        running = await it.ask("wait-for go\nsay done")
        await it.claimed(running)
        queued = await it.ask("say never")
        interrupt = await it.send(turn_interrupt(turn_id=queued.turn_id))
        cancelled = await it.outcome(queued.event_id)
        settled = await it.outcome(interrupt.event_id)
        await it.let_go("go")
        await it.ended(running)

        assert activity("turn.cancelled")(cancelled)
        assert cancelled.correlation_id == queued.command_id
        assert activity("turn.interrupt.settled")(settled)
        assert await it.turn_statuses() == ["completed"]


@pytest.mark.lesson("L18")
@pytest.mark.parametrize("ignores", ["", "ignore-eof\nignore-term\n"], ids=["interrupt", "termination-too"])
async def test_l18_an_agent_that_ignores_an_interrupt_is_ended(tmp_path: Path, ignores: str) -> None:
    async with stage(tmp_path, limits=SessionLimits(interrupt_deadline=0.05)) as it:
        turn = await it.ask(f"{ignores}say working\nhang")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(turn)).sequence)
        interrupt = await it.send(turn_interrupt())
        ended = await it.ended(turn)

        assert ended.causation_event_id == interrupt.event_id
        assert session_of(ended).status == "stopped"
        assert await it.turn_statuses() == ["interrupted"]

        following = await it.ask("recall")
        assert session_of(await it.ended(following)).status == "ready"
        assert "I remember 1 turns" in await it.text_of(following)


@pytest.mark.lesson("L18")
async def test_l18_every_interrupt_of_a_turn_is_settled(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(interrupt_deadline=0.2)) as it:
        turn = await it.ask("hang")
        await it.claimed(turn)
        interrupts = [await it.send(turn_interrupt()) for _ in range(3)]
        outcomes = [await it.outcome(interrupt.event_id) for interrupt in interrupts]

        assert outcomes[0].event_id == (await it.ended(turn)).event_id
        assert all(activity("turn.interrupt.settled")(outcome) for outcome in outcomes[1:])


async def test_an_interrupt_after_the_end_is_rejected(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("say done")
        await it.ended(turn)
        with pytest.raises(CommandRejected):
            await it.send(turn_interrupt(turn_id=turn.turn_id))
        with pytest.raises(CommandRejected):
            await it.send(turn_interrupt())


async def test_an_interrupt_waits_for_no_agent_that_is_starting(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["sleep", "3600"], end_grace_seconds=0.1)]) as it:
        queued = await it.ask("say never")
        await it.until(session("starting"))
        interrupt = await it.send(turn_interrupt())

        assert activity("turn.cancelled")(await it.outcome(queued.event_id))
        assert activity("turn.interrupt.settled")(await it.outcome(interrupt.event_id))
        thread = await it.thread()
        assert thread.session is not None
        assert thread.session.status == "stopped"
        assert thread.turns == ()


@pytest.mark.lesson("L96")
async def test_interrupt_of_a_queued_turn_leaves_the_start_alone(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["sleep", "3600"], end_grace_seconds=0.1)]) as it:
        await it.ask("say never")
        queued = await it.ask("say never either")
        await it.until(session("starting"))
        interrupt = await it.send(turn_interrupt(turn_id=queued.turn_id))

        assert activity("turn.cancelled")(await it.outcome(queued.event_id))
        assert activity("turn.interrupt.settled")(await it.outcome(interrupt.event_id))
        (started,) = [event for event in await it.log() if session("starting")(event)]
        assert not any(session("stopped")(event) for event in await it.log())
        assert started.sequence < interrupt.sequence
