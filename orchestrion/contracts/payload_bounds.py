"""The bound on what an activity carries: 64 KiB as JSON, the longest texts cut first, with a marker.

What an agent sent is first made JSON (`fitting_payload`): a number that JSON does not have becomes null, an integer
beyond 64 bits becomes text, nesting and entries have a bound, and the payload's `altered` names what was changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import orjson

from .cut_markers import MARKER_BYTES, cut_text, entries_of
from .scalars import MAX_JSON_DEPTH, MAX_JSON_INTEGER
from .text_repair import repaired
from .values import MAX_ACTIVITY_PAYLOAD_BYTES, JsonObject

_MAX_ENTRIES: Final = 16 * 1024
_MAX_KEY_CHARACTERS: Final = 256
_MAX_NAMED: Final = 8
_MAX_DEPTH: Final = MAX_JSON_DEPTH - 8
_MAX_PATH_CHARACTERS: Final = 120


def bounded_payload(payload: JsonObject, *, limit: int = MAX_ACTIVITY_PAYLOAD_BYTES) -> JsonObject:
    """`payload` with its longest texts cut until it fits `limit` bytes as JSON; itself when it fits.

    Raises:
        ValueError: it does not fit even with every long text cut.
    """
    if len(orjson.dumps(payload)) <= limit:
        return payload
    longest = min(limit, max((len(text) for text in _texts(payload)), default=0))
    shortest = 0
    fitting: JsonObject | None = None
    while shortest <= longest:
        middle = (shortest + longest) // 2
        cut: JsonObject = _cut(payload, middle)
        if len(orjson.dumps(cut)) <= limit:
            fitting, shortest = cut, middle + 1
        else:
            longest = middle - 1
    if fitting is None:
        raise ValueError(f"does not fit {limit} bytes, however its texts are cut")
    return fitting


def fitting_payload(payload: JsonObject, *, limit: int) -> JsonObject:
    """`payload`, whatever an agent put into it, as JSON that fits `limit` bytes: its own, or a copy that says what
    was altered. `limit` is at least 1 KiB."""
    entries = _MAX_ENTRIES
    while True:
        conforming = _Conforming(entries)
        whole: JsonObject = conforming.value(payload, "", 0)
        if conforming.altered:
            whole = {**whole, "altered": conforming.altered}
        try:
            return bounded_payload(whole, limit=limit)
        except ValueError:
            entries //= 4


class _Conforming:
    """One walk through a value. What is JSON and within the bounds is taken as it is."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._left = entries
        self.altered: list[str] = []

    def value(self, data: Any, path: str, depth: int) -> Any:
        match data:
            case None | bool():
                return data
            case str():
                return repaired(data)
            case int():
                return data if -MAX_JSON_INTEGER - 1 <= data <= MAX_JSON_INTEGER else self._large(data, path)
            case float():
                return data if math.isfinite(data) else self._alter(path, f"was {data}", None)
            case dict() | list() | tuple() if depth >= _MAX_DEPTH:
                return self._alter(path, "was nested too deep", "… [cut: nested too deep]")
            case dict():
                return self._object(data, path, depth)
            case list() | tuple():
                return self._list(data, path, depth)
            case _:
                return self._alter(path, f"was a {type(data).__name__}", None)

    def _object(self, data: dict[Any, Any], path: str, depth: int) -> JsonObject:
        whole: JsonObject = {}
        for key, item in data.items():
            if self._left <= 0:
                self._alter(path, f"had {len(data)} entries", None)
                whole["…"] = f"[cut: {entries_of(data) - len(whole)} entries]"
                break
            self._left -= 1
            name = repaired(key) if isinstance(key, str) else str(key)
            name = name[:_MAX_KEY_CHARACTERS]
            whole[name] = self.value(item, f"{path}.{name}" if path else name, depth + 1)
        return whole

    def _list(self, data: list[Any] | tuple[Any, ...], path: str, depth: int) -> list[Any]:
        whole: list[Any] = []
        for item in data:
            if self._left <= 0:
                self._alter(path, f"had {len(data)} items", None)
                whole.append(f"… [cut: {entries_of(data) - len(whole)} items]")
                break
            self._left -= 1
            whole.append(self.value(item, f"{path}[{len(whole)}]", depth + 1))
        return whole

    def _large(self, number: int, path: str) -> Any:
        try:
            text = str(number)
        except ValueError:  # more digits than Python writes
            return self._alter(path, "was an integer of thousands of digits", None)
        return self._alter(path, "was an integer beyond 64 bits", text)

    def _alter(self, path: str, how: str, value: Any) -> Any:
        if len(self.altered) < _MAX_NAMED:
            named = path if len(path) <= _MAX_PATH_CHARACTERS else path[:_MAX_PATH_CHARACTERS] + "…"
            self.altered.append(f"{named}: {how}")
        return value


def _texts(data: Any) -> Iterator[str]:
    match data:
        case str():
            yield data
        case dict():
            for item in data.values():
                yield from _texts(item)
        case list() | tuple():
            for item in data:
                yield from _texts(item)


def _cut(data: Any, length: int) -> Any:
    match data:
        case str() if len(data) > length + MARKER_BYTES:
            return cut_text(data, length)
        case dict():
            return {key: _cut(item, length) for key, item in data.items()}
        case list() | tuple():
            return [_cut(item, length) for item in data]
        case _:
            return data
