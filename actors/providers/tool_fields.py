"""What is kept of a tool call while it is open, in bounds: its fields, and the end of its output."""

from __future__ import annotations

from typing import Any, Final

from ...contracts.payload_bounds import bounded_payload
from ...contracts.values import JsonObject
from .json_lines import loose_json

__all__ = ["MAX_OPEN_TOOLS", "bounded_fields", "with_output"]

MAX_OPEN_TOOLS: Final = 256
"""How many calls an adapter keeps open; the oldest is forgotten, as the runtime does."""

_OUTPUT_CHARACTERS: Final = 16 * 1024


def bounded_fields(fields: JsonObject) -> JsonObject:
    """`fields` as they may be kept: at most 64 KiB as JSON, long texts cut with a marker."""
    try:
        return bounded_payload(fields)
    except (ValueError, TypeError, RecursionError):
        size = _size(fields)
        return {"type": str(fields.get("type"))[:100], "cut": f"[cut: {size} of detail]"}


def with_output(output: str, delta: str) -> str:
    """The end of a tool's output, with what came now."""
    return (output + delta[-_OUTPUT_CHARACTERS:])[-_OUTPUT_CHARACTERS:]


def _size(fields: Any) -> str:
    try:
        return f"{len(loose_json(fields))} bytes"
    except (TypeError, ValueError, RecursionError):
        return "an unknown number of bytes"
