"""How long an agent that failed is left alone before it is started again. Times are the event loop's."""

from __future__ import annotations


class Backoff:
    """The wait doubles with each failure in a row, from `first` up to `longest` seconds. Owned by one session."""

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._seconds = 0.0
        self._until = 0.0

    def failed(self, now: float) -> None:
        self._seconds = min(2 * self._seconds or self._first, self._longest)
        self._until = now + self._seconds

    def succeeded(self) -> None:
        self._seconds = self._until = 0.0

    def seconds_left(self, now: float) -> float:
        return max(0.0, self._until - now)
