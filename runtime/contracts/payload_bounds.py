"""The bound on what an activity carries: 64 KiB as JSON, the longest texts cut first, with a marker that says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from .values import MAX_ACTIVITY_PAYLOAD_BYTES, JsonObject

_MARKER_ALLOWANCE: Final = 40


def bounded_payload(payload: JsonObject) -> JsonObject:
    """`payload` with its longest texts cut until it fits `MAX_ACTIVITY_PAYLOAD_BYTES`; itself when it fits.

    Raises:
        ValueError: it does not fit even with every long text cut.
    """
    if len(orjson.dumps(payload)) <= MAX_ACTIVITY_PAYLOAD_BYTES:
        return payload
    longest = max((len(text) for text in _texts(payload)), default=0)
    shortest = 0
    fitting: JsonObject | None = None
    while shortest <= longest:
        middle = (shortest + longest) // 2
        cut: JsonObject = _cut(payload, middle)
        if len(orjson.dumps(cut)) <= MAX_ACTIVITY_PAYLOAD_BYTES:
            fitting, shortest = cut, middle + 1
        else:
            longest = middle - 1
    if fitting is None:
        raise ValueError(f"does not fit {MAX_ACTIVITY_PAYLOAD_BYTES} bytes, however its texts are cut")
    return fitting


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
        case str() if len(data) > length + _MARKER_ALLOWANCE:
            return f"{data[:length]}… [cut: {len(data) - length} characters]"
        case dict():
            return {key: _cut(item, length) for key, item in data.items()}
        case list() | tuple():
            return [_cut(item, length) for item in data]
        case _:
            return data
