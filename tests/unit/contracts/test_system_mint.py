"""Minted instants and ids: the clock's time as text, in order."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.contracts.system_mint import SystemMint
from orchestrion.contracts.values import instant, normalised_instant

MILLISECOND = 1_000_000
MOMENTS = st.integers(0, 253_402_300_799_999)
"""In milliseconds, to the end of the year 9999."""


def at(milliseconds: int) -> tuple[str, str]:
    """An instant and an id of this millisecond."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: milliseconds * MILLISECOND + 999_999)
        mint = SystemMint()
        return mint.now(), mint.new_id()


@given(MOMENTS)
def test_an_instant_is_the_clocks_millisecond(milliseconds: int) -> None:
    now, _ = at(milliseconds)
    seconds, rest = divmod(milliseconds, 1000)
    assert now == instant(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000))
    assert normalised_instant(now) == now


@given(MOMENTS, MOMENTS)
def test_ids_have_the_order_of_their_milliseconds(one: int, other: int) -> None:
    (_, first), (_, second) = at(one), at(other)
    assert re.fullmatch("[0-9a-v]{24}", first)
    assert first[:10] == second[:10] if one == other else (first < second) == (one < other)


def test_a_mint_goes_with_the_clock_and_no_two_ids_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 3000 * MILLISECOND, MILLISECOND // 4))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    mint = SystemMint()
    minted = [(mint.now(), mint.new_id()) for _ in range(6000)]
    assert len({new_id for _, new_id in minted}) == len(minted)
    assert [moment for moment, _ in minted] == sorted(moment for moment, _ in minted)
    assert len({moment for moment, _ in minted}) == 3000
