"""Messages of an agent that no event comes of, counted by kind. Pure.

A report is due at the first one and then each time their number has grown a hundredfold, so that a host sees that an
agent says what this version does not know, without a report for each.
"""

from __future__ import annotations

from typing import Final

from ...contracts.provider_events import SessionNotice

__all__ = ["IgnoredFrames"]

_GROWTH: Final = 100
_MAX_KINDS: Final = 32
_MAX_NAME: Final = 100


class IgnoredFrames:
    """Counts of at most 32 kinds; the rest is counted together."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._total = 0
        self._due_at = 1

    def add(self, kind: str) -> tuple[SessionNotice, ...]:
        """Count a message, and report what was ignored so far where that is due."""
        name = kind[:_MAX_NAME] or "without a kind"
        if name not in self._counts and len(self._counts) >= _MAX_KINDS:
            name = "others"
        self._counts[name] = self._counts.get(name, 0) + 1
        self._total += 1
        if self._total < self._due_at:
            return ()
        self._due_at *= _GROWTH
        kinds = ", ".join(f"{name} ({count})" for name, count in self._counts.items())
        summary = f"Messages of the agent that are not understood were ignored: {kinds}"
        return (SessionNotice(kind="frames.ignored", summary=summary, detail={"kinds": dict(self._counts)}),)
