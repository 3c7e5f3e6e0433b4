"""The clocks of a session: what is due when, in every state of an agent."""

from __future__ import annotations

import math

import attrs
import pytest

from orchestrion.actors.session_clocks import Clock, SessionClocks
from orchestrion.actors.session_limits import SessionLimits
from orchestrion.runtime.contracts.ids import TurnId

LIMITS = SessionLimits(interrupt_deadline=10, inactivity_deadline=100, idle_timeout=1000, heartbeat_interval=10_000)


@attrs.define
class Life:
    running_turn_id: TurnId | None = None
    waits_for_others: bool = False
    heard_at: float = 0.0
    idle_since: float = 0.0


RUNNING = Life(running_turn_id=TurnId("turn-1"))


@pytest.fixture
def clocks() -> SessionClocks:
    clocks = SessionClocks(LIMITS)
    clocks.beaten(0)
    return clocks


@pytest.mark.parametrize(
    ("life", "clock", "deadline"),
    [
        (Life(), "retirement", 1000),
        (Life(idle_since=5), "retirement", 1005),
        (RUNNING, "silence", 100),
        (attrs.evolve(RUNNING, heard_at=7), "silence", 107),
        (attrs.evolve(RUNNING, waits_for_others=True), "heartbeat", 10_000),
    ],
)
def test_the_next_clock_of_each_state(clocks: SessionClocks, life: Life, clock: Clock, deadline: float) -> None:
    assert clocks.seconds_to_next(life, 0) == deadline
    assert clocks.due(life, deadline - 0.001) == frozenset()
    assert clocks.due(life, deadline) == {clock}
    assert clocks.seconds_to_next(life, deadline + 1) == 0


def test_a_session_that_never_said_that_it_lives_says_so_at_once() -> None:
    assert SessionClocks(LIMITS).due(Life(), 0) == {"heartbeat"}


def test_an_interrupt_escalates_once_however_often_it_is_asked_for(clocks: SessionClocks) -> None:
    clocks.interrupted(20)
    clocks.interrupted(29)
    assert clocks.is_interrupting
    assert clocks.due(RUNNING, 30) == {"escalation"}
    assert clocks.due(attrs.evolve(RUNNING, waits_for_others=True), 30) == {"escalation"}


def test_a_turn_that_ended_in_time_is_not_escalated(clocks: SessionClocks) -> None:
    clocks.interrupted(20)
    assert "escalation" not in clocks.due(Life(idle_since=25), 30)
    clocks.turn_ended()
    assert clocks.due(RUNNING, 30) == frozenset()


def test_without_an_agent_there_is_no_clock(clocks: SessionClocks) -> None:
    assert clocks.seconds_to_next(None, 0) == math.inf
