"""The activity that reports what a turn used, and the sum over a thread's turns."""

from __future__ import annotations

from typing import Final

from ..contracts.provider_events import UsageUpdated
from ..contracts.values import Instant, JsonObject
from .session_commands import IngestedCommand, IngestState, activity

__all__ = ["COST_DIGITS", "USAGE_UPDATED", "usage_activity"]

USAGE_UPDATED: Final = "usage.updated"
"""The kind of the activity: one for each turn whose agent reports its usage, replaced in place."""

COST_DIGITS: Final = 6
"""To how many decimals of a dollar a sum of costs is rounded, since floating-point sums depend on their order."""

_KEYS: Final = {
    "inputTokens": "input_tokens",
    "cachedInputTokens": "cached_input_tokens",
    "outputTokens": "output_tokens",
    "reasoningTokens": "reasoning_tokens",
    "contextWindow": "context_window",
    "contextUsed": "context_used",
    "costUsd": "cost_usd",
    "model": "model",
}


def usage_activity(state: IngestState, usage: UsageUpdated, now: Instant) -> IngestedCommand:
    """The command that appends the activity of the turn, or replaces it in place."""
    return activity(
        state,
        now,
        tone="info",
        kind=USAGE_UPDATED,
        summary=_summary(usage),
        payload=_payload(usage),
        replaces=f"usage/{state.belongs_to or ''}",
    )


def _payload(usage: UsageUpdated) -> JsonObject:
    values = {key: getattr(usage, name) for key, name in _KEYS.items()}
    return {key: value for key, value in values.items() if value is not None}


def _summary(usage: UsageUpdated) -> str:
    parts = [
        "" if usage.input_tokens is None else f"{usage.input_tokens} input tokens",
        "" if usage.output_tokens is None else f"{usage.output_tokens} output tokens",
        "" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD",
        "" if usage.context_used is None else f"{usage.context_used} tokens of context",
    ]
    return ", ".join(part for part in parts if part) or "no usage reported"
