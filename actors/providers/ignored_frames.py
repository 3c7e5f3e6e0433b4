"""Messages of an agent that lead to no event, counted by kind. Pure.

The first one is reported, and then their number each time it has grown a hundredfold, so that a host learns that this
version does not know some messages of an agent, without a report for each.
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
    """Counts of at most 32 kinds; further kinds are counted together as `others`."""

    counts: Mapping[str, int] = attrs.field(factory=dict[str, int])
    due_at: int = 1

    def add(self, kind: str) -> tuple[IgnoredFrames, tuple[SessionNotice, ...]]:
        """Count a message; returns a report of all counts where one is due."""
        name = kind[:_MAX_NAME] or "without a kind"
        if name not in self.counts and len(self.counts) >= _MAX_KINDS:
            name = "others"
        counts = {**self.counts, name: self.counts.get(name, 0) + 1}
        if sum(counts.values()) < self.due_at:
            return attrs.evolve(self, counts=counts), ()
        kinds = ", ".join(f"{name} ({count})" for name, count in counts.items())
        summary = f"Unknown messages of the agent were ignored: {kinds}"
        notice = SessionNotice(kind="frames.ignored", summary=summary, detail={"kinds": counts})
        return IgnoredFrames(counts=counts, due_at=self.due_at * _GROWTH), (notice,)
