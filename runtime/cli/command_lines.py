"""Lines of a file descriptor, read without blocking the event loop and no further ahead than one chunk.

A line that is longer than any spelling of a command is refused and skipped to its end; it is never in memory as a
whole. The bounds of a command are checked where it is read.
"""

from __future__ import annotations

import os
from typing import Final

import anyio

from ...contracts.errors import InvalidCommand
from ...contracts.values import MAX_COMMAND_BYTES
from ...persistence.threads import in_thread

LONGEST_LINE: Final = 6 * MAX_COMMAND_BYTES
"""JSON may spell a character of one byte in six: `\\u0041`."""

_CHUNK_BYTES: Final = 64 * 1024


class CommandLines:
    """Reads one descriptor. One task at a time calls `next_line`."""

    def __init__(self, descriptor: int, *, limit: int = LONGEST_LINE) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._gathered = bytearray()

    async def next_line(self) -> bytes | None:
        """The next line without its end, None at the end of the input. Cancelled, it loses nothing.

        Raises:
            InvalidCommand: the line is over the limit, in bytes. The next call continues after it.
        """
        searched = 0
        is_long = False
        while (end := self._gathered.find(b"\n", searched)) < 0:
            if len(self._gathered) > self._limit:
                is_long = True
                self._gathered.clear()
            searched = len(self._gathered)
            chunk = await self._read_chunk()
            if not chunk:
                return self._taken(len(self._gathered), is_long=is_long) if is_long or self._gathered else None
            self._gathered += chunk
        return self._taken(end, is_long=is_long)

    def _taken(self, end: int, *, is_long: bool) -> bytes:
        is_long = is_long or end > self._limit
        line = b"" if is_long else bytes(self._gathered[:end])
        del self._gathered[: end + 1]
        if is_long:
            raise InvalidCommand("$", f"the line has more than {self._limit} bytes")
        return line

    async def _read_chunk(self) -> bytes:
        while True:
            try:
                await anyio.wait_readable(self._descriptor)
            except PermissionError:  # a regular file: it cannot be waited for, and it never keeps a reader waiting
                return await in_thread(os.read, self._descriptor, _CHUNK_BYTES)
            try:
                return os.read(self._descriptor, _CHUNK_BYTES)
            except BlockingIOError:
                continue
