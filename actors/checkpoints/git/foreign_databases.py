"""Whether a file is the database of a runtime, proven by what it holds and not by names that anyone can give.

A runtime's database has SQLite's header with this application's id, and an empty lock beside it. While it is new the id
is in its write-ahead log alone. An empty file counts only where this process has it open.

A file that this process has open is read through that descriptor: opening and closing it once more would give up the
locks that SQLite holds on it. SQLite holds none on the log.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ....migrations import APPLICATION_ID

_MAGIC: Final = b"SQLite format 3\0"
_ID_FROM: Final = 68
"""Where the first page of an SQLite file has its application id: four bytes, the highest first."""
_ID: Final = APPLICATION_ID.to_bytes(4, "big")
_LOG_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MOST_FRAMES: Final = 4096
"""How far a log is read. A runtime moves its log into the database long before."""


def is_runtimes_database(place: bytes) -> bool:
    """Whether there is a database of a runtime at `place`. Blocks."""
    try:
        lock = os.lstat(place + b".lock")
        facts = os.lstat(place)
        if not stat.S_ISREG(lock.st_mode) or lock.st_size or not stat.S_ISREG(facts.st_mode):
            return False
        descriptor = _descriptor_of(facts)
        if descriptor is None:
            with _opened(place) as descriptor:
                opening = os.pread(descriptor, _ID_FROM + 4, 0)
        else:
            opening = os.pread(descriptor, _ID_FROM + 4, 0)
            if not os.path.samestat(os.fstat(descriptor), facts):
                return False
            if not opening:
                return True
        return opening.startswith(_MAGIC) and (opening[_ID_FROM:] == _ID or _log_has_id(place + b"-wal"))
    except (OSError, ValueError):
        return False


def _descriptor_of(facts: os.stat_result) -> int | None:
    """A descriptor by which this process has the file open."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(name)), facts):
                return int(name)
    return None


def _log_has_id(place: bytes) -> bool:
    """Whether a first page in a write-ahead log has the application's id."""
    with _opened(place) as log:
        header = os.pread(log, _LOG_HEADER, 0)
        page_size = int.from_bytes(header[8:12], "big")
        position = _LOG_HEADER
        for _ in range(_MOST_FRAMES):
            frame = os.pread(log, _FRAME_HEADER + _ID_FROM + 4, position)
            if frame[8:16] != header[16:24] or len(frame) < _FRAME_HEADER + _ID_FROM + 4:
                return False
            page = frame[_FRAME_HEADER:]
            if frame[:4] == b"\0\0\0\1" and page.startswith(_MAGIC) and page[_ID_FROM:] == _ID:
                return True
            position += _FRAME_HEADER + page_size
    return False


@contextmanager
def _opened(place: bytes) -> Iterator[int]:
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
