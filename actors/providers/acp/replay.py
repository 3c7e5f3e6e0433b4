"""When the history that an agent replays as it resumes a session is over. Pure: times are seconds of any one clock.

The protocol requires the replay to come before the reply. Some agents send part of it, or all, after the reply. So a
replay is over when no history has arrived for `QUIET_GAPS` times its longest gap, within two bounds.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["LEAST_QUIET_SECONDS", "Replay"]

LEAST_QUIET_SECONDS: Final = 0.3
MOST_QUIET_SECONDS: Final = 2.0
QUIET_GAPS: Final = 3.0

_HISTORY: Final = frozenset(
    {"user_message_chunk", "agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update", "plan"}
)


@attrs.frozen(kw_only=True)
class Replay:
    """`replied_at` is the time of the reply to `session/load`, `last_at` that of the latest update with history."""

    replied_at: float
    last_at: float | None = None
    longest_gap: float = 0.0

    def note_update(self, kind: str, now: float) -> Replay:
        """Take note of an update; only those with history count."""
        if kind not in _HISTORY:
            return self
        gap = 0.0 if self.last_at is None else now - self.last_at
        return attrs.evolve(self, last_at=now, longest_gap=max(self.longest_gap, gap))

    def seconds_left(self, now: float) -> float:
        """How much longer no history may arrive until the replay is over; 0 or less when it is."""
        quiet = min(MOST_QUIET_SECONDS, max(LEAST_QUIET_SECONDS, QUIET_GAPS * self.longest_gap))
        return (self.replied_at if self.last_at is None else self.last_at) + quiet - now
