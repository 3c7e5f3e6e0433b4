"""Markers of cut values: the count stays true however often a value is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrion.actors.providers.acp.tool_call import clip
from orchestrion.actors.providers.json_lines import JsonLines
from orchestrion.contracts.cut_markers import cut_marker, cut_text, entries_of, uncut
from orchestrion.contracts.payload_bounds import fitting_payload
from orchestrion.contracts.text_repair import bounded_text
from orchestrion.contracts.values import JsonObject

pytestmark = pytest.mark.lesson("L91")

MIB = 1024 * 1024


def arrived(value: Any) -> JsonObject:
    """What is left of a value in a long line."""
    lines = JsonLines[JsonObject](lambda message: message, max_line_bytes=4 * MIB, shorten_over_bytes=MIB)
    (message,) = lines.feed(json.dumps({"v": value}).encode() + b"\n")
    assert isinstance(message, dict)
    return message


@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600", '"', "\\", "\n"])
def test_a_text_that_is_cut_again_counts_all_that_is_missing(character: str) -> None:
    long = character * (3 * MIB // len(json.dumps(character)))
    text = arrived(long)["v"]
    for shorter in (
        fitting_payload({"v": text}, limit=60_000)["v"],
        clip(text, 1000),
        bounded_text(text, 1000),
        fitting_payload({"v": clip(text, 100_000)}, limit=5000)["v"],
        bounded_text(bounded_text(text, 5000), 1000),
    ):
        kept, cut = uncut(shorter)
        assert long.startswith(kept)
        assert len(kept) + cut == len(long)
        assert len(shorter) < len(text)


def test_lists_and_objects_that_are_cut_again_count_all_that_is_missing() -> None:
    items = arrived(list(range(300_000)))["v"]
    fields = arrived({f"key-{number}": number for number in range(100_000)})["v"]
    assert (entries_of(items), entries_of(fields)) == (300_000, 100_000)
    for shorter in (clip(items, 1000), fitting_payload({"v": items}, limit=5000)["v"]):
        assert len(shorter) < len(items)
        assert entries_of(shorter) == 300_000
    inner = arrived({"list": list(range(40_000)), "fields": {f"key-{number}": number for number in range(40_000)}})["v"]
    assert {name: entries_of(value) for name, value in inner.items()} == {"list": 40_000, "fields": 40_000}
    assert entries_of(clip(inner["fields"], 1000)) == 40_000


def test_a_marker_is_never_cut_itself() -> None:
    text = "x" * 90 + cut_marker(10)
    assert cut_text(text, 95) == text
    assert cut_text(text, 80) == "x" * 80 + cut_marker(20)
    assert uncut("plain") == ("plain", 0)
