"""Reading files that others may have put there: an agent, or the person who set up the repository.

A pipe in such a place would block its reader forever, and a device or a file without an end would fill its memory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_regular_file(place: Path) -> Iterator[BinaryIO]:
    """The regular file at `place`, or that a link there leads to, open for reading. Never waits for a writer.

    Raises:
        OSError: there is none, or it cannot be opened.
    """
    _check(place, os.stat(place))  # before it is opened: with some devices that does something
    with open(place, "rb", opener=_open_without_waiting) as file:
        _check(place, os.fstat(file.fileno()))
        yield file


def read_regular_file(place: Path, *, at_most: int) -> bytes:
    """The content of the regular file at `place`, or that a link there leads to.

    Raises:
        OSError: there is none, it cannot be read, or it has more than `at_most` bytes.
    """
    with open_regular_file(place) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise OSError(f"{place} has more than {at_most} bytes")
    return content


def _check(place: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(f"{place} is no regular file")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
