"""A terminal that does not show what is typed."""

from __future__ import annotations

import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LOCAL_FLAGS: Final = 3


@contextmanager
def hidden_input(descriptor: int) -> Iterator[None]:
    """Do not echo what is typed in the block, but for the end of the line. Changes nothing where nobody types."""
    try:
        before = termios.tcgetattr(descriptor)
    except termios.error:
        yield
        return
    hidden = [*before]
    hidden[_LOCAL_FLAGS] = (before[_LOCAL_FLAGS] & ~termios.ECHO) | termios.ECHONL
    termios.tcsetattr(descriptor, termios.TCSADRAIN, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
