"""A line of JSON that is too long to be kept: its long texts are shortened while it arrives. Pure.

Most of a long line is the text of one file or one result, of which events keep little. So the line is never held whole:
the end of a long text is cut, with a marker that counts the characters. The rest is read like any other line. A line
whose other parts are too long or too many is dropped. A line that is sent back to the agent is not shortened, but its
size and its entries have the same bounds.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

__all__ = ["HEAD_BYTES", "MAX_KEPT_ENTRIES", "LongLine", "shed_entries"]

_MAX_TEXT: Final = 1024 * 1024
_BESIDE_IMAGES: Final = 256 * 1024
"""What is left of a line's room for all but its images."""
_IMAGE: Final = re.compile(
    rb"(?:data:image\\?/[a-z0-9.+-]{1,20};base64,)?(?:iVBORw0KGgo|\\?/9j\\?/|R0lGOD|UklGR)", re.IGNORECASE
)
"""How the base64 of a PNG, JPEG, GIF or WebP file begins: it is of no use in part."""
_LONGEST_BEGINNING: Final = 64
_MAX_ENTRIES: Final = 512 * 1024
"""Entries of lists and objects; each takes about a hundred bytes after it is parsed."""
MAX_KEPT_ENTRIES: Final = 32 * 1024
"""How many entries a parsed message keeps: twice as many as an event does."""
_PIECE: Final = 64 * 1024
HEAD_BYTES: Final = 128
_QUOTE: Final = ord('"')
_LONGEST_ESCAPE: Final = len(r"\u0000")
_OF_TEXT: Final = rb'(?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|[^u]))*+'
_TEXT: Final = re.compile(_OF_TEXT)
_WHOLE_TEXTS: Final = re.compile(rb'(?:[^"]++|"' + _OF_TEXT + rb'")*+')
_SECOND_HALF: Final = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SEPARATORS: Final = (b",", b"[", b"{")
_CONTINUATION: Final = bytes(range(0x80, 0xC0))
_MOST_CONTINUATION: Final = 3


class LongLine:
    """At most `room` bytes of the line are kept. `head` and `tail` are its first and last 128 bytes.

    The line is shortened if `shortens` accepts its head; otherwise its texts are kept whole.
    """

    def __init__(self, room: int, *, shortens: Callable[[bytes], bool] = lambda _: True) -> None:
        self._left = room
        self._shortens = shortens
        self._is_whole: bool | None = None
        self._parts: list[bytes] = []
        self._entries = 0
        self._is_within_text = False
        self._text_left = 0
        self._cut = 0
        self._rest = b""
        self.is_given_up = False
        self.head = b""
        self.tail = b""

    def add(self, chunk: bytes) -> None:
        """Add the next part of the line. Parts of a dropped line are not examined."""
        self.head += chunk[: HEAD_BYTES - len(self.head)]
        self.tail = (self.tail + chunk[-HEAD_BYTES:])[-HEAD_BYTES:]
        for start in range(0, len(chunk), _PIECE):
            if self.is_given_up:
                return
            self._take(self._rest + chunk[start : start + _PIECE])

    def shortened(self) -> bytes:
        """The line without the cut texts; empty for a dropped line."""
        return b"".join(self._parts)

    def _take(self, data: bytes) -> None:
        if self._is_whole is None:
            self._is_whole = not self._shortens(self.head)
        if self._is_whole:
            self._entries += sum(map(data.count, _SEPARATORS))
            self._keep(data)
            return
        self._rest = b""
        at = 0
        while at < len(data) and not self.is_given_up:
            at = self._continue_text(data, at) if self._is_within_text else self._seek_text(data, at)

    def _seek_text(self, data: bytes, at: int) -> int:
        """Keep everything up to a text that does not end within `data`."""
        found = _WHOLE_TEXTS.match(data, at)
        end = found.end() if found else at
        self._entries += sum(data.count(separator, at, end) for separator in _SEPARATORS)
        if end < len(data):
            if len(data) - end < _LONGEST_BEGINNING:  # a text that has hardly begun: what it is shows with more of it
                self._keep(data[at:end])
                self._rest = data[end:]
                return len(data)
            self._is_within_text, end = True, end + 1
            room = self._left - _BESIDE_IMAGES if _IMAGE.match(data, end) else min(_MAX_TEXT, self._left // 2)
            self._text_left, self._cut = room, 0
        self._keep(data[at:end])
        return end

    def _continue_text(self, data: bytes, at: int) -> int:
        found = _TEXT.match(data, at)
        end = found.end() if found else at
        if end == at and data[at] != _QUOTE:
            if len(data) - at < _LONGEST_ESCAPE:  # an escape that is not complete yet
                self._rest = data[at:]
                return len(data)
            end = at + 1  # not an escape of JSON: the reader reports that the line is not JSON
        self._keep_text(data[at:end])
        if end < len(data) and data[end] == _QUOTE:
            marker = (
                b"... [cut: %d characters]" % self._cut if self._cut else b""
            )  # of ASCII, which a text takes less for
            self._keep(marker + b'"')
            self._is_within_text = False
            end += 1
        return end

    def _keep_text(self, text: bytes) -> None:
        if not self._cut and len(text) <= self._text_left:
            self._text_left -= len(text)
            self._keep(text)
            return
        begun = text[:_MOST_CONTINUATION]  # may hold the end of a character that was kept in part
        kept = b"" if self._cut else begun[: len(begun) - len(begun.lstrip(_CONTINUATION))]
        self._keep(kept)
        self._cut += _characters(text[len(kept) :])

    def _keep(self, data: bytes) -> None:
        self._left -= len(data)
        self._parts.append(data)
        if self._left < 0 or self._entries > _MAX_ENTRIES:
            self.is_given_up = True
            self._parts.clear()


def _characters(text: bytes) -> int:
    """How many characters a part of a JSON text encodes. A pair of surrogates counts with its first half."""
    text = text.translate(None, _CONTINUATION)
    if b"\\" not in text:
        return len(text)
    return len(_ESCAPE.sub(b".", _SECOND_HALF.sub(b"", text.replace(rb"\\", b"."))))


def shed_entries(message: Any) -> None:
    """Remove the last entries of lists and objects of a message that has too many, innermost ones first."""
    left = MAX_KEPT_ENTRIES
    waiting = deque([message])
    while waiting:
        value = waiting.popleft()
        cut = max(0, len(value) - left)
        if cut and isinstance(value, list):
            value[-cut:] = [f"... [cut: {cut} items]"]
        elif cut:
            for key in list(value)[-cut:]:
                del value[key]
            value["..."] = f"[cut: {cut} fields]"
        left = max(0, left - len(value))
        inner = value if isinstance(value, list) else value.values()
        waiting.extend(one for one in inner if isinstance(one, dict | list))
