"""Markers that count what was cut. A text that is cut again counts what was cut before. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["MARKER_BYTES", "cut_marker", "cut_text", "entries_of", "uncut"]

MARKER_BYTES: Final = 40

_AFTER_TEXT: Final = re.compile(r"(?:…|\.\.\.) \[cut: (\d{1,15}) characters\]\Z")
_ITEMS: Final = re.compile(r"(?:…|\.\.\.) \[cut: (\d{1,15}) items\]")
_FIELDS: Final = re.compile(r"\[cut: (\d{1,15}) (?:fields|entries)\]")


def cut_marker(characters: int) -> str:
    return f"… [cut: {characters} characters]"


def uncut(text: str) -> tuple[str, int]:
    """`text` without the marker at its end, and the characters that the marker counts; 0 where there is none."""
    found = _AFTER_TEXT.search(text, max(0, len(text) - MARKER_BYTES))
    return (text, 0) if found is None else (text[: found.start()], int(found[1]))


def cut_text(text: str, kept: int) -> str:
    """The first `kept` characters of `text`, and a marker that counts all that are missing."""
    left, gone = uncut(text)
    return left[:kept] + cut_marker(max(0, len(left) - kept) + gone)


def entries_of(data: Sequence[Any] | Mapping[Any, Any]) -> int:
    """How many entries a list or an object had before it was cut."""
    if isinstance(data, Mapping):
        marker = data.get("…", data.get("..."))
        found = _FIELDS.fullmatch(marker) if isinstance(marker, str) else None
    else:
        last = data[-1] if data else None
        found = _ITEMS.fullmatch(last) if isinstance(last, str) else None
    return len(data) if found is None else len(data) - 1 + int(found[1])
