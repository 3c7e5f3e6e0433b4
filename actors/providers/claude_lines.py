"""Newline-delimited JSON, as Claude Code writes it: bytes become messages, without I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import orjson

from ...runtime.contracts.errors import ProviderProtocolError
from ...runtime.contracts.values import JsonObject
from .jsonrpc_protocol import Malformed

__all__ = ["MessageLines"]

_MAX_LINE_BYTES: Final = 32 * 1024 * 1024
_MAX_MALFORMED_IN_A_ROW: Final = 100
_EXCERPT_BYTES: Final = 200


class MessageLines:
    """JSON objects, a line each, cut anywhere. A line that is none is `Malformed`, one over the bound is not kept.

    The program cuts text by UTF-16 units: halves of surrogate pairs become question marks.
    """

    def __init__(self, *, max_line_bytes: int = _MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._malformed_in_a_row = 0
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[JsonObject | Malformed]:
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
            if self._malformed_in_a_row >= _MAX_MALFORMED_IN_A_ROW:
                raise ProviderProtocolError(
                    f"{_MAX_MALFORMED_IN_A_ROW} lines in a row were no messages; check the path of the agent"
                )
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._max_line_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> JsonObject | Malformed | None:
        line, length = b"".join(self._parts).strip(), self._length
        self._parts.clear()
        self._length = 0
        if length > self._max_line_bytes:
            return Malformed(fault=f"a line of {length} bytes, over the bound of {self._max_line_bytes}")
        if not line:
            return None
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            try:
                lenient = json.loads(line.decode("utf-8", "replace"))
                message = orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))
            except (ValueError, RecursionError) as error:
                return _malformed(f"no JSON: {error}", line)
        return message if isinstance(message, dict) else _malformed("no JSON object", line)


def _malformed(fault: str, line: bytes) -> Malformed:
    return Malformed(fault=fault, excerpt=line[:_EXCERPT_BYTES].decode("utf-8", "replace"))
