"""The one rule for waiting between tries: each failure in a row doubles the wait, up to a bound."""

from __future__ import annotations

import attrs

__all__ = ["Backoff"]

_MOST_DOUBLINGS = 64


@attrs.frozen(kw_only=True)
class Backoff:
    """Waits of `first_seconds`, then twice as long after each further failure, at most `longest_seconds`."""

    first_seconds: float
    longest_seconds: float

    def seconds(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
        return min(self.first_seconds * 2.0**doublings, self.longest_seconds)
