"""Messages of an agent that lead to no event, counted by kind. Pure.

A report is due at the first one and then each time their number has grown a hundredfold, so that a host sees that an
agent says what this version does not know, without a report for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ...contracts.provider_events import SessionNotice

__all__ = ["IgnoredFrames"]

_GROWTH: Final = 100
_MAX_KINDS: Final = 32
_MAX_NAME: Final = 100


@attrs.frozen(kw_only=True)
class IgnoredFrames:
    """Counts of at most 32 kinds; the rest is counted together."""

    counts: Mapping[str, int] = attrs.field(factory=dict[str, int])
    due_at: int = 1

    def add(self, kind: str) -> tuple[IgnoredFrames, tuple[SessionNotice, ...]]:
        """Count a message, and report what was ignored so far where that is due."""
        name = kind[:_MAX_NAME] or "without a kind"
        if name not in self.counts and len(self.counts) >= _MAX_KINDS:
            name = "others"
        counts = {**self.counts, name: self.counts.get(name, 0) + 1}
        if sum(counts.values()) < self.due_at:
            return attrs.evolve(self, counts=counts), ()
        kinds = ", ".join(f"{name} ({count})" for name, count in counts.items())
        summary = f"Messages of the agent that are not understood were ignored: {kinds}"
        notice = SessionNotice(kind="frames.ignored", summary=summary, detail={"kinds": counts})
        return IgnoredFrames(counts=counts, due_at=self.due_at * _GROWTH), (notice,)
