"""Newline-delimited JSON as agents write it: bytes become messages, without I/O.

The input may be cut anywhere. A line that is no message becomes a `Malformed` and is skipped, a line over the bound
without being kept; too many of them in a row, and the input is given up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

import attrs
import orjson

from ...runtime.contracts.errors import ProviderProtocolError
from ...runtime.contracts.values import JsonObject

__all__ = ["JsonLines", "Malformed"]

_MAX_MALFORMED_IN_A_ROW: Final = 100
_EXCERPT_BYTES: Final = 200

M = TypeVar("M")


@attrs.frozen(kw_only=True)
class Malformed:
    """A line that is no message. `excerpt` is how it begins."""

    fault: str
    excerpt: str = ""


class JsonLines(Generic[M]):
    """JSON objects, a line each. `read` makes a message of one, or says what is wrong with it."""

    def __init__(
        self,
        read: Callable[[JsonObject], M | Malformed],
        *,
        max_line_bytes: int,
        max_malformed_in_a_row: int = _MAX_MALFORMED_IN_A_ROW,
    ) -> None:
        self._read = read
        self._max_line_bytes = max_line_bytes
        self._max_malformed = max_malformed_in_a_row
        self._malformed_in_a_row = 0
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[M | Malformed]:
        """The messages that `chunk` completes, in order. Exhaust one iterator before feeding again.

        Raises:
            ProviderProtocolError: too many lines in a row were no messages; those before are yielded first.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            message = self._take()
            if message is None:
                continue
            yield message
            self._malformed_in_a_row = self._malformed_in_a_row + 1 if isinstance(message, Malformed) else 0
            if self._malformed_in_a_row >= self._max_malformed:
                raise ProviderProtocolError(
                    f"{self._max_malformed} lines in a row were no messages; check the agent's command"
                )
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._max_line_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> M | Malformed | None:
        line, length = b"".join(self._parts).strip(), self._length
        self._parts.clear()
        self._length = 0
        if length > self._max_line_bytes:
            return Malformed(fault=f"a line of {length} bytes, over the bound of {self._max_line_bytes}")
        if not line:
            return None
        try:
            value = _json(line)
        except (ValueError, RecursionError) as error:
            return _with_excerpt(Malformed(fault=f"no JSON: {error}"), line)
        message = self._read(value) if isinstance(value, dict) else Malformed(fault="no JSON object")
        return _with_excerpt(message, line) if isinstance(message, Malformed) else message


def _json(line: bytes) -> Any:
    """Agents that cut text by UTF-16 units send halves of surrogate pairs, which become question marks."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        lenient = json.loads(line.decode("utf-8", "replace"))
        return orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))


def _with_excerpt(malformed: Malformed, line: bytes) -> Malformed:
    return attrs.evolve(malformed, excerpt=line[:_EXCERPT_BYTES].decode("utf-8", "replace"))
