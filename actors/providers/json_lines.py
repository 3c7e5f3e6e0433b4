"""Newline-delimited JSON as agents write it: bytes become messages, without I/O.

The input may be cut anywhere. A line that is no message becomes a `Malformed` and is skipped, a line over the bound
without being kept; too many of them in a row, and the input is given up. Where a reader allows it, a long line is
shortened while it arrives (`long_lines.py`), and the bound is for what remains. Byte order marks and terminal codes
around a message are skipped. What comes before the first message is kept in part: it often says why there is none.
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
    """A line that is no message. `excerpt` is how it begins; `early`: it came before the first message."""

    fault: str
    excerpt: str = ""
    early: bool = False
    is_no_json: bool = attrs.field(default=False, eq=False)


class JsonLines(Generic[M]):
    """JSON objects, a line each. `read` makes a message of one, or says what is wrong with it.

    Lines over `shorten_over_bytes` are shortened where `shortens` says so by their first 128 bytes; None keeps every
    text whole. `skipped` makes a message of a line over the bound where its beginning and its end, as far as they are
    known, tell enough; None where they do not.
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
        """What came before the first message, or came without one: its first 2 KiB, without terminal codes."""
        unfinished = b"" if self._begun else b"".join(self._parts)
        printed = (self._printed + unfinished)[:_PRINTED_FIRST_BYTES].decode("utf-8", "replace")
        return readable(printed).strip("\ufeff \n")

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
        line = _without_codes(b"".join(self._parts) if long is None else long.shortened())
        self._parts.clear()
        self._length, self._long = 0, None
        if long.is_given_up if long is not None else length > self._max_line_bytes:
            fault = f"a line of {length} bytes, over the bound of {self._max_line_bytes}"
            told = self._skipped(long.head, long.tail, fault) if long is not None and self._skipped else None
            return Malformed(fault=fault) if told is None else told
        if not line:
            return None
        message = self._message(line)
        printed = line
        if isinstance(message, Malformed) and message.is_no_json and not self._begun and b"{" in line:
            start = line.index(b"{")  # what stands before it is a prompt, which has no line of its own
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
            return Malformed(fault=f"no JSON: {error}", is_no_json=True)
        if not isinstance(value, dict):
            return Malformed(fault="no JSON object")
        if self._shorten_over_bytes is not None and len(line) > MAX_KEPT_ENTRIES and self._shortens(line[:HEAD_BYTES]):
            shed_entries(value)
        return self._read(value)

    def _note_printed(self, line: bytes) -> None:
        if not self._begun and len(self._printed) < _PRINTED_FIRST_BYTES:
            self._printed += line[:_PRINTED_FIRST_BYTES] + b"\n"


def _without_codes(line: bytes) -> bytes:
    """`line` without what stands around a message: spaces, a byte order mark, terminal codes."""
    line = line.strip()
    if line and (line[0] != _BRACE or line[-1] != _END_BRACE):
        before = _BEFORE.match(line)
        line = line[before.end() :] if before else line
        after = _AFTER.search(line[-_CODES_AT_END:])
        line = line[: len(line) - len(after[0])] if after else line
    return line


def _json(line: bytes) -> Any:
    """The value of a line as the agent wrote it, with what JSON does not have.

    Agents write NaN and Infinity, integers of any length, and halves of surrogate pairs where they cut text by UTF-16
    units. All of it is kept, for ingestion to mend: the other half may come with the next line.
    """
    if not _has_long_number(line):  # orjson makes floats of longer integers
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass
    return json.loads(line.decode("utf-8", "replace"), parse_int=_integer)


def _has_long_number(line: bytes) -> bool:
    """Whether so many digits stand in a row. Looked for piece by piece: a copy of a long line would cost its memory."""
    return any(
        _LONG_NUMBER in line[start : start + _PIECE + len(_LONG_NUMBER)].translate(_ONLY_DIGITS)
        for start in range(0, len(line), _PIECE)
    )


def _integer(digits: str) -> int | float:
    """An integer; one that Python itself would not write again is taken for infinite."""
    return int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def loose_json(value: Any) -> bytes:
    """What an agent sent, as text to compare or to measure: values that JSON does not have included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, default=str).encode()
