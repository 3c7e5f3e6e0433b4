"""Any interleaving of inputs keeps a session's promises.

One turn at a time, each handed over once; every intent settled once; every running turn under a clock; no effect on an
agent that does not run; nothing after the end.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.session_world import Choices, World


@pytest.mark.lesson("L96")
@pytest.mark.lesson("L98")
@settings(max_examples=examples(2000))
@given(st.lists(st.integers(0, 255), max_size=150))
def test_any_interleaving_settles_every_intent_once(numbers: list[int]) -> None:
    World(Choices(numbers)).play()
