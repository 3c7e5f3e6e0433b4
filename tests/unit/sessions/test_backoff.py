"""How long an agent that failed is left alone."""

from __future__ import annotations

from orchestrion.actors.sessions.backoff import Backoff


def test_the_wait_doubles_with_each_failure_in_a_row_up_to_its_bound() -> None:
    backoff = Backoff(first=1, longest=5)
    waits = []
    for now in (0, 100, 200, 300):
        backoff.failed(now)
        waits.append(backoff.seconds_left(now))
    assert waits == [1, 2, 4, 5]


def test_the_time_since_the_failure_counts() -> None:
    backoff = Backoff(first=4, longest=5)
    assert backoff.seconds_left(0) == 0
    backoff.failed(10)
    assert (backoff.seconds_left(13), backoff.seconds_left(15)) == (1, 0)


def test_a_success_forgets_the_failures_before_it() -> None:
    backoff = Backoff(first=1, longest=5)
    for _ in range(3):
        backoff.failed(0)
    backoff.succeeded()
    assert backoff.seconds_left(0) == 0
    backoff.failed(0)
    assert backoff.seconds_left(0) == 1
