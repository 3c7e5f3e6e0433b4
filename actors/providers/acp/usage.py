"""What the turns of an ACP agent use: from `usage_update`s and the replies to prompts. Pure.

A `usage_update` has the tokens in context, and the cost of the session so far: a turn's cost is the growth since its
beginning. Where the first cost of a resumed session comes within a turn, that turn's cost is unknown. The reply to a
prompt may have the turn's tokens, in separate counts for those that were read from a cache or written to it.
Source: https://agentclientprotocol.com/rfds/session-usage
"""

from __future__ import annotations

from typing import Any

import attrs

from ....contracts.provider_events import UsageUpdated
from ....contracts.values import JsonObject
from ..loose_json import amount_of, count_of, object_of

__all__ = ["AcpUsage"]


@attrs.frozen(kw_only=True)
class AcpUsage:
    """`turn` is the usage of the turn that runs, or of the last one.

    `session_cost` is the cost of the session so far, `cost_before` what it was when the turn began; None while unknown.
    """

    turn: UsageUpdated = attrs.field(factory=UsageUpdated)
    session_cost: float | None = None
    cost_before: float | None = None

    def begin_turn(self, *, model: str | None) -> AcpUsage:
        return AcpUsage(turn=UsageUpdated(model=model), session_cost=self.session_cost, cost_before=self.session_cost)

    def take_update(self, update: JsonObject) -> tuple[AcpUsage, tuple[UsageUpdated, ...]]:
        """Take a `usage_update`."""
        cost = object_of(update.get("cost"))
        session_cost = amount_of(cost.get("amount")) if cost.get("currency") == "USD" else None
        after = self
        if session_cost is not None:
            before = self.cost_before
            is_reset = before is None or session_cost < before
            after = attrs.evolve(self, session_cost=session_cost, cost_before=session_cost if is_reset else before)
        turn = attrs.evolve(
            self.turn,
            context_used=count_of(update.get("used")),
            context_window=count_of(update.get("size")),
            cost_usd=after._turn_cost(),
        )
        return after._report(turn)

    def take_reply(self, usage: Any) -> tuple[AcpUsage, tuple[UsageUpdated, ...]]:
        """Take the `usage` of a reply to a prompt."""
        counts = object_of(usage)
        output = count_of(counts.get("outputTokens"))
        if output is None:
            return self, ()
        read, written = count_of(counts.get("cachedReadTokens")), count_of(counts.get("cachedWriteTokens"))
        plain = count_of(counts.get("inputTokens")) or 0
        whole, total = plain + (read or 0) + (written or 0), count_of(counts.get("totalTokens"))
        turn = attrs.evolve(
            self.turn,
            input_tokens=plain if total is not None and total < whole + output else whole,
            cached_input_tokens=read,
            output_tokens=output,
            reasoning_tokens=count_of(counts.get("thoughtTokens")),
        )
        return self._report(turn)

    def _turn_cost(self) -> float | None:
        if self.session_cost is None or self.cost_before is None:
            return None
        return max(0.0, self.session_cost - self.cost_before) or None

    def _report(self, turn: UsageUpdated) -> tuple[AcpUsage, tuple[UsageUpdated, ...]]:
        return attrs.evolve(self, turn=turn), () if turn == self.turn else (turn,)
