"""Messages of an agent that lead to no event, counted by kind. Pure.

Kinds that this version does not know are reported: the first message, and then their number each time it has grown a
hundredfold, so that a host learns of them without a report for each. Known kinds without an event are only counted;
a report has their counts too. So each message of an agent leads to an event, or is counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ...contracts.provider_events import SessionNotice

__all__ = ["IgnoredFrames"]

_GROWTH: Final = 100
_MAX_KINDS: Final = 32
_MAX_KNOWN: Final = 128
_MAX_NAME: Final = 100


@attrs.frozen(kw_only=True)
class IgnoredFrames:
    """`counts` of at most 32 unknown kinds, `known` of at most 128 known ones; further ones are counted as `others`."""

    counts: Mapping[str, int] = attrs.field(factory=dict[str, int])
    known: Mapping[str, int] = attrs.field(factory=dict[str, int])
    due_at: int = 1

    @property
    def total(self) -> int:
        """The number of all messages that were counted."""
        return sum(self.counts.values()) + sum(self.known.values())

    def skip(self, kind: str) -> IgnoredFrames:
        """Count a message of a known kind."""
        return attrs.evolve(self, known=_counted(self.known, kind, _MAX_KNOWN))

    def add(self, kind: str) -> tuple[IgnoredFrames, tuple[SessionNotice, ...]]:
        """Count a message of an unknown kind; returns a report of all counts where one is due."""
        counts = _counted(self.counts, kind, _MAX_KINDS)
        if sum(counts.values()) < self.due_at:
            return attrs.evolve(self, counts=counts), ()
        kinds = ", ".join(f"{name} ({count})" for name, count in counts.items())
        notice = SessionNotice(
            kind="frames.ignored",
            summary=f"Unknown messages of the agent were ignored: {kinds}",
            detail={"kinds": counts, "known": dict(self.known)},
        )
        return attrs.evolve(self, counts=counts, due_at=self.due_at * _GROWTH), (notice,)


def _counted(counts: Mapping[str, int], kind: str, most: int) -> dict[str, int]:
    name = kind[:_MAX_NAME] or "without a kind"
    if name not in counts and len(counts) >= most:
        name = "others"
    return {**counts, name: counts.get(name, 0) + 1}
