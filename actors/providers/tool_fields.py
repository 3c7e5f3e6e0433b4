"""The bounds of an open tool call's fields and output."""

from __future__ import annotations

from typing import Any, Final

from ...contracts.payload_bounds import bounded_payload
from ...contracts.values import JsonObject
from .json_lines import loose_json

__all__ = ["MAX_OPEN_TOOLS", "append_output", "bounded_fields"]

MAX_OPEN_TOOLS: Final = 256
"""How many open calls an adapter keeps; beyond that the oldest is forgotten, as the runtime does."""

_OUTPUT_CHARACTERS: Final = 16 * 1024


def bounded_fields(fields: JsonObject) -> JsonObject:
    """`fields` within 64 KiB as JSON; long texts are cut with a marker."""
    try:
        return bounded_payload(fields)
    except (ValueError, TypeError, RecursionError):
        size = _size(fields)
        return {"type": str(fields.get("type"))[:100], "cut": f"[cut: {size} of detail]"}


def append_output(output: str, delta: str) -> str:
    """The end of a tool's output after another part of it."""
    return (output + delta[-_OUTPUT_CHARACTERS:])[-_OUTPUT_CHARACTERS:]


def _size(fields: Any) -> str:
    try:
        return f"{len(loose_json(fields))} bytes"
    except (TypeError, ValueError, RecursionError):
        return "an unknown number of bytes"
