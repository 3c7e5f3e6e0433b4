"""The clocks of a session: what is due when, in every state of an agent."""

from __future__ import annotations

import math

import attrs
import pytest

from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions.clocks import SessionClocks, backoff_seconds
from orchestrion.domain.session.states import Clock

LIMITS = SessionLimits(
    interrupt_deadline=10,
    inactivity_deadline=100,
    idle_timeout=1000,
    heartbeat_interval=10_000,
    restart_backoff=1,
    longest_restart_backoff=5,
)
IDLE: frozenset[Clock] = frozenset({"heartbeat", "retirement"})
RUNNING: frozenset[Clock] = frozenset({"heartbeat", "silence"})
INTERRUPTING: frozenset[Clock] = frozenset({"heartbeat", "silence", "escalation"})
BACKOFF: frozenset[Clock] = frozenset({"backoff"})


@attrs.define
class Run:
    waits_for_others: bool = False
    last_heard_at: float = 0.0
    idle_since: float = 0.0


SILENT = Run()


@pytest.fixture
def clocks() -> SessionClocks:
    clocks = SessionClocks(LIMITS)
    clocks.watch(RUNNING, 0)
    return clocks


@pytest.mark.parametrize(
    ("watched", "run", "clock", "deadline"),
    [
        (IDLE, SILENT, "retirement", 1000),
        (IDLE, Run(idle_since=5), "retirement", 1005),
        (RUNNING, SILENT, "silence", 100),
        (RUNNING, Run(last_heard_at=7), "silence", 107),
        (RUNNING, Run(waits_for_others=True), "heartbeat", 10_000),
        (IDLE, Run(waits_for_others=True), "heartbeat", 10_000),
    ],
)
def test_the_next_clock_of_each_state(
    clocks: SessionClocks, watched: frozenset[Clock], run: Run, clock: Clock, deadline: float
) -> None:
    clocks.watch(watched, 0)
    assert clocks.seconds_to_next(run, 0) == deadline
    assert clocks.due(run, deadline - 0.001) == frozenset()
    assert due_at_last(clocks, run, deadline) == {clock}


def due_at_last(clocks: SessionClocks, run: Run, now: float) -> frozenset[Clock]:
    """What is due at `now`, checked again after a wait that was served in time."""
    at_once = clocks.due(run, now)
    again = now + clocks.seconds_to_next(run, now)
    clocks.served(again)
    return at_once or clocks.due(run, again)


def test_heartbeat_is_due_after_the_one_before(clocks: SessionClocks) -> None:
    speaking = Run(last_heard_at=19_999)
    assert clocks.due(speaking, 10_000) == {"heartbeat"}
    clocks.heartbeat_sent(10_000)
    assert clocks.due(speaking, 19_999) == frozenset()
    assert clocks.due(speaking, 20_000) == {"heartbeat"}


def test_an_interrupt_escalates_once_however_often_it_is_asked_for(clocks: SessionClocks) -> None:
    clocks.watch(INTERRUPTING, 20)
    clocks.watch(INTERRUPTING, 29)
    assert clocks.due(SILENT, 29.9) == frozenset()
    assert due_at_last(clocks, SILENT, 30) == {"escalation"}
    assert due_at_last(clocks, Run(waits_for_others=True), 30) == {"escalation"}


def test_a_turn_that_ended_in_time_is_not_escalated(clocks: SessionClocks) -> None:
    clocks.watch(INTERRUPTING, 20)
    assert clocks.due(SILENT, 30) == frozenset()
    clocks.watch(IDLE, 30)
    assert "escalation" not in due_at_last(clocks, Run(idle_since=25), 30)
    clocks.watch(RUNNING, 30)
    assert due_at_last(clocks, SILENT, 30) == frozenset()


@pytest.mark.lesson("L38")
def test_agent_with_output_after_an_interrupt_gets_bounded_extra_time(clocks: SessionClocks) -> None:
    clocks.watch(INTERRUPTING, 20)
    for instant in (25.0, 34.0, 43.0):
        assert due_at_last(clocks, Run(last_heard_at=instant), instant + 6) == frozenset()
    assert due_at_last(clocks, Run(last_heard_at=49.9), 50) == {"escalation"}


@pytest.mark.lesson("L38")
@pytest.mark.parametrize("watched", [RUNNING, INTERRUPTING], ids=["silence", "escalation"])
def test_time_without_a_listener_is_not_counted(clocks: SessionClocks, watched: frozenset[Clock]) -> None:
    clocks.watch(watched, 0)
    limit = LIMITS.interrupt_deadline if watched == INTERRUPTING else LIMITS.inactivity_deadline
    blocked = 5 * limit
    planned = clocks.seconds_to_next(SILENT, 0)
    assert planned == limit
    clocks.served(planned + blocked)
    assert clocks.due(SILENT, planned + blocked) == frozenset()
    now = planned + blocked + clocks.seconds_to_next(SILENT, planned + blocked)
    clocks.served(now)
    assert clocks.due(SILENT, now) != frozenset()


@pytest.mark.lesson("L38")
def test_deadline_that_passed_is_judged_after_the_reader_could_read(clocks: SessionClocks) -> None:
    assert clocks.due(SILENT, 100) == frozenset()
    pause = clocks.seconds_to_next(SILENT, 100)
    assert 0 < pause <= 1
    run = Run(last_heard_at=100.0)
    clocks.served(100 + pause)
    assert clocks.due(run, 100 + pause) == frozenset()
    assert clocks.seconds_to_next(run, 100 + pause) == pytest.approx(100 - pause)


@pytest.mark.lesson("L38")
def test_pause_that_was_not_served_in_time_judges_nothing(clocks: SessionClocks) -> None:
    clocks.due(SILENT, 100)
    pause = clocks.seconds_to_next(SILENT, 100)
    clocks.served(160)
    assert clocks.due(SILENT, 160) == frozenset()
    assert clocks.seconds_to_next(SILENT, 160) <= pause


@pytest.mark.lesson("L81")
@pytest.mark.parametrize("watched", [RUNNING, INTERRUPTING], ids=["silence", "escalation"])
def test_deadline_runs_out_although_every_wait_is_late(clocks: SessionClocks, watched: frozenset[Clock]) -> None:
    clocks.watch(watched, 0)
    now, waits = 0.0, 0
    while not clocks.due(SILENT, now):
        now += clocks.seconds_to_next(SILENT, now) + 0.1
        clocks.served(now)
        waits += 1
        assert waits < 20


@pytest.mark.lesson("L34")
def test_agent_whose_conversation_would_be_lost_has_no_retirement(clocks: SessionClocks) -> None:
    clocks.watch(frozenset({"heartbeat"}), 0)
    assert clocks.due(SILENT, 5000) == frozenset()
    assert clocks.seconds_to_next(SILENT, 0) == LIMITS.heartbeat_interval


def test_an_agent_that_failed_is_left_alone_from_its_failure_on(clocks: SessionClocks) -> None:
    clocks.watch(BACKOFF, 10, failures=3)
    clocks.watch(BACKOFF, 12, failures=3)
    assert clocks.seconds_to_next(None, 12) == 2
    assert clocks.due(None, 13.9) == frozenset()
    assert clocks.due(None, 14) == {"backoff"}


def test_the_backoff_doubles_with_each_failure_in_a_row_up_to_its_bound() -> None:
    assert [backoff_seconds(failures, LIMITS) for failures in (1, 2, 3, 4, 5000)] == [1, 2, 4, 5, 5]


def test_without_an_agent_there_is_no_clock() -> None:
    clocks = SessionClocks(LIMITS)
    clocks.watch(frozenset(), 0)
    assert clocks.seconds_to_next(None, 0) == math.inf
