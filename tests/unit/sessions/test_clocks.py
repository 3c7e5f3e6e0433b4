"""The clocks of a session: what is due when, in every state of an agent."""

from __future__ import annotations

import math

import attrs
import pytest

from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions.clocks import Clock, SessionClocks
from orchestrion.contracts.ids import TurnId

LIMITS = SessionLimits(interrupt_deadline=10, inactivity_deadline=100, idle_timeout=1000, heartbeat_interval=10_000)


@attrs.define
class Life:
    running_turn_id: TurnId | None = None
    waits_for_others: bool = False
    heard_at: float = 0.0
    idle_since: float = 0.0
    may_retire: bool = True


RUNNING = Life(running_turn_id=TurnId("turn-1"))


@pytest.fixture
def clocks() -> SessionClocks:
    clocks = SessionClocks(LIMITS)
    clocks.heartbeat_sent(0)
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
    assert due_at_last(clocks, life, deadline) == {clock}


def due_at_last(clocks: SessionClocks, life: Life, now: float) -> frozenset[Clock]:
    """What is due at `now`, once it was looked at again after a wait that was served in time."""
    at_once = clocks.due(life, now)
    again = now + clocks.seconds_to_next(life, now)
    clocks.served(again)
    return at_once or clocks.due(life, again)


def test_a_session_that_never_said_that_it_lives_says_so_at_once() -> None:
    assert SessionClocks(LIMITS).due(Life(), 0) == {"heartbeat"}


def test_an_interrupt_escalates_once_however_often_it_is_asked_for(clocks: SessionClocks) -> None:
    clocks.interrupted(20)
    clocks.interrupted(29)
    assert clocks.is_interrupting
    assert clocks.due(RUNNING, 29.9) == frozenset()
    assert due_at_last(clocks, RUNNING, 30) == {"escalation"}
    assert due_at_last(clocks, attrs.evolve(RUNNING, waits_for_others=True), 30) == {"escalation"}


def test_a_turn_that_ended_in_time_is_not_escalated(clocks: SessionClocks) -> None:
    clocks.interrupted(20)
    assert "escalation" not in due_at_last(clocks, Life(idle_since=25), 30)
    clocks.turn_ended()
    assert due_at_last(clocks, RUNNING, 30) == frozenset()


@pytest.mark.lesson("L38")
def test_agent_that_speaks_while_it_ends_its_turn_has_longer_up_to_a_bound(clocks: SessionClocks) -> None:
    clocks.interrupted(20)
    for heard in (25.0, 34.0, 43.0):
        speaking = attrs.evolve(RUNNING, heard_at=heard)
        assert due_at_last(clocks, speaking, heard + 6) == frozenset()
    assert due_at_last(clocks, attrs.evolve(RUNNING, heard_at=49.9), 50) == {"escalation"}


@pytest.mark.lesson("L38")
@pytest.mark.parametrize("interrupted", [False, True], ids=["silence", "escalation"])
def test_time_in_which_nobody_listened_is_not_counted(clocks: SessionClocks, interrupted: bool) -> None:
    limit = LIMITS.inactivity_deadline
    if interrupted:
        clocks.interrupted(0)
        limit = LIMITS.interrupt_deadline
    blocked = 5 * limit
    planned = clocks.seconds_to_next(RUNNING, 0)
    assert planned == limit
    clocks.served(planned + blocked)
    assert clocks.due(RUNNING, planned + blocked) == frozenset()
    now = planned + blocked + clocks.seconds_to_next(RUNNING, planned + blocked)
    clocks.served(now)
    assert clocks.due(RUNNING, now) != frozenset()


@pytest.mark.lesson("L38")
def test_deadline_that_passed_is_judged_after_the_reader_could_read(clocks: SessionClocks) -> None:
    assert clocks.due(RUNNING, 100) == frozenset()
    pause = clocks.seconds_to_next(RUNNING, 100)
    assert 0 < pause <= 1
    heard = attrs.evolve(RUNNING, heard_at=100.0)
    clocks.served(100 + pause)
    assert clocks.due(heard, 100 + pause) == frozenset()
    assert clocks.seconds_to_next(heard, 100 + pause) == pytest.approx(100 - pause)


@pytest.mark.lesson("L38")
def test_pause_that_was_not_served_in_time_judges_nothing(clocks: SessionClocks) -> None:
    clocks.due(RUNNING, 100)
    pause = clocks.seconds_to_next(RUNNING, 100)
    clocks.served(160)
    assert clocks.due(RUNNING, 160) == frozenset()
    assert clocks.seconds_to_next(RUNNING, 160) <= pause


@pytest.mark.lesson("L34")
def test_agent_whose_conversation_would_be_lost_has_no_retirement(clocks: SessionClocks) -> None:
    assert clocks.due(Life(may_retire=False), 5000) == frozenset()
    assert clocks.seconds_to_next(Life(may_retire=False), 0) == LIMITS.heartbeat_interval
    assert clocks.due(Life(waits_for_others=True), 5000) == frozenset()


def test_without_an_agent_there_is_no_clock(clocks: SessionClocks) -> None:
    assert clocks.seconds_to_next(None, 0) == math.inf
