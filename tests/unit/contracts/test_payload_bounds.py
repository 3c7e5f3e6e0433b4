"""64 KiB for an activity's payload: the longest texts are cut first, with a marker of how much is missing."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.contracts.payload_bounds import bounded_payload, fitting_payload
from orchestrion.contracts.values import MAX_ACTIVITY_PAYLOAD_BYTES
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
def test_long_text_is_cut_with_a_marker_of_the_missing_length(character: str) -> None:
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


def test_cut_value_is_a_copy() -> None:
    payload = {"list": ["x" * 100_000]}
    bounded_payload(payload)
    assert payload == {"list": ["x" * 100_000]}


@pytest.mark.spec("E42")
@pytest.mark.parametrize(
    "payload",
    [{"numbers": [10**9] * 10_000}, {"k" * 70_000: 1}, {"texts": ["short text"] * 10_000}],
    ids=["numbers", "a key", "many short texts"],
)
def test_payload_that_cannot_be_cut_below_the_bound_is_refused(payload: dict[str, Any]) -> None:
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


@given(json_objects)
def test_a_payload_that_is_json_and_fits_is_taken_as_it_is(payload: dict[str, Any]) -> None:
    assert fitting_payload(payload, limit=MAX_ACTIVITY_PAYLOAD_BYTES) == payload


@pytest.mark.lesson("L42")
@pytest.mark.parametrize(
    ("value", "stored", "how"),
    [
        (float("nan"), None, "v: was nan"),
        (float("-inf"), None, "v: was -inf"),
        (2**63, str(2**63), "v: was an integer beyond 64 bits"),
        (-(10**4000), str(-(10**4000)), "v: was an integer beyond 64 bits"),
        (10**5000, None, "v: was an integer of thousands of digits"),
        ({1, 2}, None, "v: was a set"),
        (b"x", None, "v: was a bytes"),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_a_value_that_json_does_not_have_is_replaced_and_named(value: Any, stored: Any, how: str) -> None:
    payload = fitting_payload({"kept": "whole", "v": value}, limit=MAX_ACTIVITY_PAYLOAD_BYTES)
    assert payload == {"kept": "whole", "v": stored, "altered": [how]}


@pytest.mark.lesson("L42")
def test_keys_and_texts_with_half_a_character_are_mended() -> None:
    payload: Any = fitting_payload({"a\ud800": ["\ud83d", "\ud83d\ude00"], "n": "n"}, limit=MAX_ACTIVITY_PAYLOAD_BYTES)
    assert payload == {"a\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}", "\U0001f600"], "n": "n"}


@pytest.mark.lesson("L41")
@pytest.mark.parametrize(
    "payload",
    [
        {"many": list(range(10**5))},
        {"names": {f"key-{number}": "x" * 50 for number in range(5000)}},
        {"k" * 10**6: 1},
        {"nested": [["x" * 100] * 100] * 1000},
        {"escaped": "\x00" * 10**5},
    ],
    ids=["items", "keys", "a long key", "nested", "escaped"],
)
def test_too_large_values_are_cut_until_they_fit(payload: dict[str, Any]) -> None:
    cut = fitting_payload(payload, limit=8 * 1024)
    assert 0 < _size(cut) <= 8 * 1024
    assert "cut: " in str(cut) or len(str(cut)) < 1024
    assert fitting_payload(cut, limit=8 * 1024) == cut


@pytest.mark.lesson("L41")
def test_nesting_is_bounded_and_levels_above_the_bound_are_kept() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(500):
        inner["a"] = {}
        inner = inner["a"]
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for nested in (deep, cyclic):
        payload = fitting_payload({"kept": 1, "v": nested}, limit=MAX_ACTIVITY_PAYLOAD_BYTES)
        assert payload["kept"] == 1
        assert "was nested too deep" in payload["altered"][0]
