"""The last error of each actor: newest first, counted, and bounded in number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrion.actors.last_errors import MOST_ACTORS, LastError, LastErrors
from tests.support.builders import at


@pytest.fixture
def errors() -> LastErrors:
    moments: Iterator[int] = iter(range(1, 1000))
    return LastErrors(lambda: at(next(moments)))


def test_the_newest_error_comes_first_and_an_actor_has_one(errors: LastErrors) -> None:
    errors.note("router", OSError("no room"))
    errors.note("projector", "halted at 3")
    errors.note("router", OSError("no room yet"))
    assert errors.read() == (
        LastError(actor="router", at=at(3), error="no room yet", times=2),
        LastError(actor="projector", at=at(2), error="halted at 3", times=1),
    )


def test_an_error_without_words_is_named_by_its_kind(errors: LastErrors) -> None:
    errors.note("router", KeyError())
    assert [one.error for one in errors.read()] == ["KeyError()"]


def test_the_actors_with_the_oldest_errors_are_forgotten_first(errors: LastErrors) -> None:
    for number in range(MOST_ACTORS):
        errors.note(f"session {number}", "gone")
    errors.note("session 0", "gone again")
    errors.note("another", "gone")
    kept = [one.actor for one in errors.read()]
    assert len(kept) == MOST_ACTORS
    assert kept[:2] == ["another", "session 0"]
    assert "session 1" not in kept
