"""What the turns of a Codex thread use, from `thread/tokenUsage/updated`. Pure.

Codex reports the thread's total and the usage of the last request. A turn's usage is the growth of the total since its
beginning. If no total was reported before, it is the first total without its last request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ....contracts.provider_events import UsageUpdated
from ....contracts.values import JsonObject
from ..loose_json import count_of, object_of

__all__ = ["CodexUsage"]

_COUNTS: Final = ("inputTokens", "cachedInputTokens", "outputTokens", "reasoningOutputTokens")


@attrs.frozen(kw_only=True)
class CodexUsage:
    """`total` is the thread's usage so far, `before` what it was when the turn began; None while unknown."""

    turn: UsageUpdated = attrs.field(factory=UsageUpdated)
    total: Mapping[str, int] | None = None
    before: Mapping[str, int] | None = None

    def begin_turn(self, *, model: str | None) -> CodexUsage:
        return CodexUsage(turn=UsageUpdated(model=model), total=self.total, before=self.total)

    def take(self, message: JsonObject, *, has_turn: bool) -> tuple[CodexUsage, tuple[UsageUpdated, ...]]:
        """Take a `thread/tokenUsage/updated`. `has_turn`: this process has or had a turn of the thread."""
        return self.take_update(message) if has_turn else (self.take_baseline(message), ())

    def take_update(self, message: JsonObject) -> tuple[CodexUsage, tuple[UsageUpdated, ...]]:
        """Take the usage of the turn that runs, or of the last one."""
        reported = object_of(message.get("tokenUsage"))
        total, last = _counts(object_of(reported.get("total"))), _counts(object_of(reported.get("last")))
        before = self.before
        if before is None:
            before = {key: max(0, total[key] - last[key]) for key in _COUNTS}
        grown = {key: max(0, total[key] - before[key]) for key in _COUNTS}
        turn = attrs.evolve(
            self.turn,
            input_tokens=grown["inputTokens"],
            cached_input_tokens=grown["cachedInputTokens"],
            output_tokens=grown["outputTokens"],
            reasoning_tokens=grown["reasoningOutputTokens"],
            context_used=count_of(object_of(reported.get("last")).get("totalTokens")),
            context_window=count_of(reported.get("modelContextWindow")),
        )
        after = CodexUsage(turn=turn, total=total, before=before)
        return after, () if turn == self.turn else (turn,)

    def take_baseline(self, message: JsonObject) -> CodexUsage:
        """Take the total of a thread that has no turn of this process yet, as after a resume."""
        return CodexUsage(total=_counts(object_of(object_of(message.get("tokenUsage")).get("total"))))


def _counts(usage: JsonObject) -> Mapping[str, int]:
    return {key: count_of(usage.get(key)) or 0 for key in _COUNTS}
