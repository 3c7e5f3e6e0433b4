"""Messages into running turns, and the order of those that wait, with agents that can be steered and that cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from orchestrion.contracts.ids import TurnId
from orchestrion.contracts.values import Unset
from tests.support.builders import queue_update, session_stop, turn_steer
from tests.support.stage import Asked, Stage, activity, rehearsal, stage

pytestmark = pytest.mark.anyio


async def steer(it: Stage, text: str, message_id: str = "steering") -> PersistedEvent:
    """The request of a steering message."""
    request = await it.send(turn_steer(message_id=message_id, text=text))
    assert isinstance(request.payload, ThreadTurnSteerRequested)
    return request


def started(outcome: PersistedEvent) -> Asked:
    """The turn that a steering message became."""
    assert isinstance(outcome.payload, ThreadTurnStartRequested)
    assert outcome.payload.steered is True
    assert outcome.command_id is not None
    return Asked(outcome.payload.turn_id, outcome.event_id, outcome.sequence, outcome.command_id)


async def run_order(it: Stage) -> list[TurnId]:
    return [turn.turn_id for turn in (await it.thread()).turns]


@pytest.mark.spec("E72")
async def test_message_goes_into_the_running_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, steering=True)]) as it:
        turn, waiting = await it.ask("say one\nwait-for go\nsay three"), await it.ask("say four")
        await it.claimed(turn)
        request = await steer(it, "say two")
        outcome = await it.outcome(request.event_id)
        assert isinstance(outcome.payload, ThreadActivityAppended)
        assert outcome.payload.activity.kind == "turn.steered"
        assert outcome.payload.activity.payload == {
            "turnId": turn.turn_id,
            "messageId": "steering",
            "delivery": "delivered",
        }
        await it.let_go("go")
        await it.ended(waiting)
        assert await it.text_of(turn) == "one\ntwo\nthree"
        messages = (await it.thread()).messages
        assert not isinstance(messages, Unset)
        assert next(one for one in messages if one.id == "steering").turn_id == turn.turn_id
        assert await run_order(it) == [turn.turn_id, waiting.turn_id]


@pytest.mark.spec("E72")
async def test_message_is_the_next_turn_where_the_agent_takes_none(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, waiting = await it.ask("wait-for go"), await it.ask("say last")
        await it.claimed(turn)
        first, second = await steer(it, "say first", "s1"), await steer(it, "say second", "s2")
        turns = [started(await it.outcome(one.event_id)) for one in (first, second)]
        await it.let_go("go")
        await it.ended(waiting)
        assert await run_order(it) == [turn.turn_id, *(one.turn_id for one in turns), waiting.turn_id]
        assert [await it.text_of(one) for one in turns] == ["first", "second"]


@pytest.mark.spec("E72")
@pytest.mark.parametrize("steering", [False, True])
async def test_message_without_a_turn_starts_one(tmp_path: Path, steering: bool) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, steering=steering)]) as it:
        turn = started(await it.outcome((await steer(it, "say alone")).event_id))
        await it.ended(turn)
        assert await it.text_of(turn) == "alone"


@pytest.mark.spec("E72")
async def test_message_sent_while_a_turn_starts_goes_into_it(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, steering=True)]) as it:
        turn = await it.ask("wait-for go")
        outcome = await it.outcome((await steer(it, "say two")).event_id)
        assert activity("turn.steered")(outcome)
        await it.let_go("go")
        await it.ended(turn)
        assert await it.text_of(turn) == "two"


async def test_message_after_its_turn_starts_the_next(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, steering=True)]) as it:
        await it.perform("say one")
        turn = started(await it.outcome((await steer(it, "say two")).event_id))
        await it.ended(turn)
        assert await it.text_of(turn) == "two"


@pytest.mark.spec("E75")
async def test_waiting_turns_run_in_the_order_that_they_are_given(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("wait-for go")
        second, third, fourth = [await it.ask(f"say {number}") for number in (2, 3, 4)]
        await it.claimed(turn)
        await it.send(queue_update(turn_ids=(fourth.turn_id,)))
        await it.send(queue_update(turn_ids=(third.turn_id, fourth.turn_id)))
        await it.let_go("go")
        await it.ended(second)
        assert await run_order(it) == [turn.turn_id, third.turn_id, fourth.turn_id, second.turn_id]


@pytest.mark.spec("E72")
async def test_open_message_is_a_turn_after_a_clean_stop(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await it.send(session_stop())
        request = await steer(it, "say later")
    async with stage(tmp_path) as again:
        turn = started(await again.outcome(request.event_id))
        await again.ended(turn)
        assert await again.text_of(turn) == "later"
