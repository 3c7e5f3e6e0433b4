"""64 KiB for an activity's payload: the longest texts are cut first, and say by how much."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.runtime.contracts.payload_bounds import bounded_payload
from orchestrion.runtime.contracts.values import MAX_ACTIVITY_PAYLOAD_BYTES
from tests.support.strategies import json_objects

MARKER = re.compile(r"(.*)… \[cut: (\d+) characters\]", re.DOTALL)


def _size(payload: Any) -> int:
    return len(orjson.dumps(payload))


@given(json_objects)
def test_a_payload_that_fits_is_left_alone(payload: dict[str, Any]) -> None:
    assert bounded_payload(payload) is payload


def test_a_payload_of_exactly_64_kib_is_left_alone() -> None:
    payload = {"text": "x" * (MAX_ACTIVITY_PAYLOAD_BYTES - _size({"text": ""}))}
    assert _size(payload) == MAX_ACTIVITY_PAYLOAD_BYTES == 64 * 1024
    assert bounded_payload(payload) is payload
    assert bounded_payload({"text": payload["text"] + "x"}) != payload


@pytest.mark.lesson("L28")
@pytest.mark.spec("E42")
@pytest.mark.parametrize("character", ["x", "é", "\U0001f3b5", "\x00", '"'])
def test_a_long_text_is_cut_with_a_marker_that_says_how_much(character: str) -> None:
    text = character * 200_000
    payload = bounded_payload({"kept": "short", "text": text})
    marked = MARKER.fullmatch(payload["text"])
    assert marked is not None
    kept, gone = marked[1], int(marked[2])
    assert text.startswith(kept)
    assert len(kept) + gone == len(text)
    assert payload["kept"] == "short"
    assert MAX_ACTIVITY_PAYLOAD_BYTES - 16 <= _size(payload) <= MAX_ACTIVITY_PAYLOAD_BYTES


@pytest.mark.spec("E42")
def test_the_longest_texts_are_cut_first_wherever_they_stand() -> None:
    payload = bounded_payload({"middle": "m" * 10_000, "list": [{"deep": "d" * 100_000}], "tail": ["t" * 90_000]})
    assert payload["middle"] == "m" * 10_000
    deep, tail = MARKER.fullmatch(payload["list"][0]["deep"]), MARKER.fullmatch(payload["tail"][0])
    assert deep is not None
    assert tail is not None
    assert len(deep[1]) == len(tail[1])


def test_what_is_cut_is_a_copy() -> None:
    payload = {"list": ["x" * 100_000]}
    bounded_payload(payload)
    assert payload == {"list": ["x" * 100_000]}


@pytest.mark.spec("E42")
@pytest.mark.parametrize(
    "payload",
    [{"numbers": [10**9] * 10_000}, {"k" * 70_000: 1}, {"texts": ["short text"] * 10_000}],
    ids=["numbers", "a key", "many short texts"],
)
def test_what_cannot_be_cut_below_the_bound_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="65536 bytes"):
        bounded_payload(payload)


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=4), st.integers(10_000, 60_000)),
        min_size=1,
    )
)
def test_any_texts_are_cut_to_fit(payload: dict[str, str]) -> None:
    bounded = bounded_payload(payload)
    assert _size(bounded) <= MAX_ACTIVITY_PAYLOAD_BYTES
    assert list(bounded) == list(payload)
    assert bounded_payload(bounded) is bounded
