"""A client that commands only its own threads changes nothing of another client's, whatever names it sends.

Each example runs one thread's history next to drawn moves of a hostile client, and compares what is visible of the
thread with the same history next to a client that does nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.examples import PROCESSES, examples
from tests.support.hostile.client import DERIVED, MOVES, Move, moves
from tests.support.hostile.play import ROUNDS, play

Rounds = Sequence[Sequence[Move]]

NEXT_COMMANDS = [
    Move(kind, pick, f"{number} further")
    for kind, pick, number in product(("refused command", "accepted command"), range(4), range(1, 8))
]
NEXT_MESSAGES = [Move("message", pick, f"message below{age}") for pick, age in product(range(12), ("", ", old"))]
CHECKPOINTS = [
    Move(kind, pick, f"{what}{age}")
    for kind, pick, what, age in product(("refused command", "message"), range(6), DERIVED, ("", ", old"))
]
EVERYTHING = [Move(kind, pick, "as it is") for kind, pick in product(MOVES, range(8))]


@cache
def undisturbed(backend: str) -> dict[str, Any]:
    return _run(((),) * ROUNDS, backend)


def _run(rounds: Rounds, backend: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        return anyio.run(play, Path(directory), rounds, backend=backend)


@pytest.mark.lesson("L46")
@settings(max_examples=examples(4, share=PROCESSES), suppress_health_check=[HealthCheck.too_slow])
@given(rounds=st.tuples(*[moves] * ROUNDS), backend=st.sampled_from(["asyncio", "trio"]))
@example(rounds=(NEXT_COMMANDS,) * ROUNDS, backend="asyncio")
@example(rounds=(NEXT_MESSAGES, CHECKPOINTS, EVERYTHING, CHECKPOINTS), backend="trio")
def test_a_hostile_client_changes_nothing_of_another_thread(rounds: Rounds, backend: str) -> None:
    assert _run(rounds, backend) == undisturbed(backend)
