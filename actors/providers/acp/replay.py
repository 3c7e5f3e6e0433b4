"""When the history that an agent replays as it resumes a session is over. Pure: times are seconds of any one clock.

The protocol has the replay come before the reply. Some agents send part of it, or all, after it. So a replay is over
when nothing of it has come for `QUIET_GAPS` times its longest gap, within two bounds.
"""

from __future__ import annotations

from typing import Final

__all__ = ["LEAST_QUIET_SECONDS", "Replay"]

LEAST_QUIET_SECONDS: Final = 0.3
MOST_QUIET_SECONDS: Final = 2.0
QUIET_GAPS: Final = 3.0

_HISTORY: Final = frozenset(
    {"user_message_chunk", "agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update", "plan"}
)


class Replay:
    """`replied_at` is when the agent said that the session was loaded."""

    def __init__(self, replied_at: float) -> None:
        self._replied_at = replied_at
        self._last_at: float | None = None
        self._longest_gap = 0.0

    def heard(self, kind: object, now: float) -> None:
        """Take note of an update; only those that tell history count."""
        if kind not in _HISTORY:
            return
        if self._last_at is not None:
            self._longest_gap = max(self._longest_gap, now - self._last_at)
        self._last_at = now

    def seconds_left(self, now: float) -> float:
        """How long nothing more may come before the replay is over; 0 or less when it is."""
        quiet = min(MOST_QUIET_SECONDS, max(LEAST_QUIET_SECONDS, QUIET_GAPS * self._longest_gap))
        return (self._replied_at if self._last_at is None else self._last_at) + quiet - now
