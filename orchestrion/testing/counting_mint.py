"""A clock that a test moves, and ids that are counted: what a runtime records is the same in each run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock
from typing import Final

from ..contracts.values import Instant, instant

__all__ = ["CountingMint", "at"]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: int) -> Instant:
    """The instant so many seconds after the beginning of 2026, where the clocks of tests begin."""
    return instant(_START + timedelta(seconds=seconds))


class CountingMint:
    """A `Mint`: ids in the order of the requests, and an instant that advances by `step_seconds` with each reading.

    May be used by any thread.
    """

    def __init__(self, prefix: str = "", *, step_seconds: int = 0) -> None:
        self._prefix = prefix
        self._step_seconds = step_seconds
        self._ids = count(1)
        self._lock = Lock()
        self._seconds = 0

    def now(self) -> Instant:
        return at(self.advance(self._step_seconds))

    def new_id(self) -> str:
        return f"{self._prefix}id-{next(self._ids):06}"

    def advance(self, seconds: int) -> int:
        """Move the clock; how many seconds it has moved in all."""
        with self._lock:
            self._seconds += seconds
            return self._seconds
