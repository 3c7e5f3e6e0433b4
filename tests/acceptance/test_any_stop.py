"""The short form of `make stops`: hosts cancelled at random moments end in time and leave nothing behind."""

from __future__ import annotations

import pytest

from tests.support.stops import HANGS_SECONDS, SIGNALS, Stop, drawn, faults, run, table

SEED = 11


@pytest.mark.lesson("L29")
def test_hosts_cancelled_at_random_moments_end_in_time_and_leave_nothing() -> None:
    outcomes = list(run(drawn(24, SEED, ["rehearsal", "hanging"]), processes=1))
    assert len(outcomes) == 24
    assert faults(outcomes, slack_seconds=HANGS_SECONDS) == [], table(outcomes)


@pytest.mark.lesson("L82")
def test_hosts_ended_by_signals_or_errors_leave_nothing() -> None:
    means = [("asyncio", name) for name in (*SIGNALS, "sibling fails", "host raises") if name != "SIGINT thrice"]
    means += [("trio", "sibling fails"), ("trio", "host raises")]
    stops = [Stop(backend, name, "rehearsal", SEED + number) for number, (backend, name) in enumerate(means)]
    outcomes = list(run(stops, processes=1))
    assert len(outcomes) == len(means)
    assert faults(outcomes, slack_seconds=HANGS_SECONDS) == [], table(outcomes)


@pytest.mark.lesson("L83")
def test_three_interrupts_of_a_host_in_a_task_group_leave_nothing() -> None:
    backends = ["asyncio", "trio"] * 3
    stops = [Stop(one, "SIGINT thrice", "rehearsal", SEED + number) for number, one in enumerate(backends)]
    outcomes = list(run(stops, processes=1))
    assert len(outcomes) == len(stops)
    assert faults(outcomes, slack_seconds=HANGS_SECONDS) == [], table(outcomes)
