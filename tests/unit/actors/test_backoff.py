"""The delay between attempts doubles with each consecutive failure and has a bound."""

from __future__ import annotations

from orchestrion.actors.backoff import Backoff


def test_backoff_doubles_up_to_its_bound() -> None:
    backoff = Backoff(first_seconds=1.0, longest_seconds=5.0)
    assert [backoff.seconds(failures) for failures in (0, 1, 2, 3, 4, 5000)] == [1, 1, 2, 4, 5, 5]
