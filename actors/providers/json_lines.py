"""Newline-delimited JSON as agents write it: bytes become messages, without I/O.

The input may be cut anywhere. A line that is not a message becomes a `Malformed`; a line over the bound is not kept.
Too many of them in a row are an error. Where a reader allows it, a long line is shortened while it arrives
(`long_lines.py`), and the bound applies to the rest. Byte order marks and terminal codes around a message are skipped.
The beginning of the output before the first message is kept: it often explains why there is no message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

import attrs
import orjson

from ...contracts.errors import ProviderProtocolError
from ...contracts.values import JsonObject
from .long_lines import HEAD_BYTES, MAX_KEPT_ENTRIES, LongLine, shed_entries
from .redaction import readable

__all__ = ["JsonLines", "Malformed", "loose_json"]

_MAX_MALFORMED_IN_A_ROW: Final = 100
_EXCERPT_BYTES: Final = 200
_PRINTED_FIRST_BYTES: Final = 2 * 1024
_CODES: Final = rb"(?:\xef\xbb\xbf|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]|\s)+"
_BEFORE: Final = re.compile(_CODES)
_AFTER: Final = re.compile(_CODES + rb"\Z")
_CODES_AT_END: Final = 256
_BRACE, _END_BRACE = b"{}"
_ONLY_DIGITS: Final = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER: Final = b"0" * 19
_MAX_DIGITS: Final = 1000
_PIECE: Final = 64 * 1024

M = TypeVar("M")


@attrs.frozen(kw_only=True)
class Malformed:
    """A line that is not a message. `excerpt` is its beginning; `early`: it came before the first message."""

    fault: str
    excerpt: str = ""
    early: bool = False
    is_no_json: bool = attrs.field(default=False, eq=False)


class JsonLines(Generic[M]):
    """JSON objects, one per line. `read` makes a message of an object, or a `Malformed`.

    Lines over `shorten_over_bytes` are shortened if `shortens` accepts their first 128 bytes; None keeps every text
    whole. `skipped` may make a message of a line over the bound, from its first and last 128 bytes and the fault.
    """

    def __init__(
        self,
        read: Callable[[JsonObject], M | Malformed],
        *,
        max_line_bytes: int,
        max_malformed_in_a_row: int = _MAX_MALFORMED_IN_A_ROW,
        shorten_over_bytes: int | None = None,
        shortens: Callable[[bytes], bool] = lambda _: True,
        skipped: Callable[[bytes, bytes, str], M | None] | None = None,
    ) -> None:
        self._read = read
        self._max_line_bytes = max_line_bytes
        self._shorten_over_bytes = None if shorten_over_bytes is None else min(shorten_over_bytes, max_line_bytes)
        self._shortens = shortens
        self._skipped = skipped
        self._long: LongLine | None = None
        self._max_malformed = max_malformed_in_a_row
        self._malformed_in_a_row = 0
        self._parts: list[bytes] = []
        self._length = 0
        self._begun = False
        self._printed = b""

    @property
    def printed_first(self) -> str:
        """The output before the first message: its first 2 KiB, without terminal codes."""
        unfinished = b"" if self._begun else b"".join(self._parts)
        printed = (self._printed + unfinished)[:_PRINTED_FIRST_BYTES].decode("utf-8", "replace")
        return readable(printed).strip("\ufeff \n")

    def feed(self, chunk: bytes) -> Iterator[M | Malformed]:
        """The messages that `chunk` completes, in order. Exhaust one iterator before feeding again.

        Raises:
            ProviderProtocolError: too many lines in a row were not messages; those before are yielded first.
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
                    f"{self._max_malformed} lines in a row were not messages; check the agent's command"
                )
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._length += len(part)
        if self._long is not None:
            self._long.add(part)
        elif self._shorten_over_bytes is not None and self._length > self._shorten_over_bytes:
            self._long = LongLine(self._max_line_bytes, shortens=self._shortens)
            begun = b"".join((*self._parts, part))
            self._parts.clear()
            self._long.add(begun)
        elif self._length > self._max_line_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> M | Malformed | None:
        length, long = self._length, self._long
        line = _strip_codes(b"".join(self._parts) if long is None else long.shortened())
        self._parts.clear()
        self._length, self._long = 0, None
        if long.is_given_up if long is not None else length > self._max_line_bytes:
            fault = f"a line of {length} bytes, over the bound of {self._max_line_bytes}"
            substitute = self._skipped(long.head, long.tail, fault) if long is not None and self._skipped else None
            return Malformed(fault=fault) if substitute is None else substitute
        if not line:
            return None
        message = self._message(line)
        printed = line
        if isinstance(message, Malformed) and message.is_no_json and not self._begun and b"{" in line:
            start = line.index(b"{")  # before it is a prompt, which does not end with a line break
            rest = self._message(line[start:])
            if not isinstance(rest, Malformed):
                message, printed = rest, line[:start]
        if isinstance(message, Malformed) or printed is not line:
            self._note_printed(printed)
        if isinstance(message, Malformed):
            excerpt = line[:_EXCERPT_BYTES].decode("utf-8", "replace")
            return attrs.evolve(message, excerpt=excerpt, early=not self._begun)
        self._begun = True
        return message

    def _message(self, line: bytes) -> M | Malformed:
        try:
            value = _json(line)
        except (ValueError, RecursionError) as error:
            return Malformed(fault=f"not JSON: {error}", is_no_json=True)
        if not isinstance(value, dict):
            return Malformed(fault="not a JSON object")
        if self._shorten_over_bytes is not None and len(line) > MAX_KEPT_ENTRIES and self._shortens(line[:HEAD_BYTES]):
            shed_entries(value)
        return self._read(value)

    def _note_printed(self, line: bytes) -> None:
        if not self._begun and len(self._printed) < _PRINTED_FIRST_BYTES:
            self._printed += line[:_PRINTED_FIRST_BYTES] + b"\n"


def _strip_codes(line: bytes) -> bytes:
    """`line` without spaces, a byte order mark and terminal codes around it."""
    line = line.strip()
    if line and (line[0] != _BRACE or line[-1] != _END_BRACE):
        before = _BEFORE.match(line)
        line = line[before.end() :] if before else line
        after = _AFTER.search(line[-_CODES_AT_END:])
        line = line[: len(line) - len(after[0])] if after else line
    return line


def _json(line: bytes) -> Any:
    """The value of a line as the agent wrote it, values that JSON does not have included.

    Agents write NaN and Infinity, integers of any length, and halves of surrogate pairs where they cut text by UTF-16
    units. All of it is kept; ingestion repairs it, since the other half may come with the next line.
    """
    if not _has_long_number(line):  # orjson makes floats of longer integers
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass
    return json.loads(line.decode("utf-8", "replace"), parse_int=_integer)


def _has_long_number(line: bytes) -> bool:
    """Whether a line has 19 digits in a row. Searched in pieces, since a copy of a long line would take its memory."""
    return any(
        _LONG_NUMBER in line[start : start + _PIECE + len(_LONG_NUMBER)].translate(_ONLY_DIGITS)
        for start in range(0, len(line), _PIECE)
    )


def _integer(digits: str) -> int | float:
    """An integer; one that is too long for Python to write again becomes infinite."""
    return int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def loose_json(value: Any) -> bytes:
    """A value of an agent as JSON text to compare or to measure, values that JSON does not have included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, default=str).encode()
