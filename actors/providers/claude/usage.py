"""What the turns of Claude Code use, from its assistant and `result` messages. Pure.

A result has the turn's usage by model (`model_usage_since_last_result`). Older versions have the tokens of the turn
(`usage`), and the totals of the process (`total_cost_usd`, `modelUsage`), which `/clear` resets: the turn's cost is
their growth. The tokens in context are those of the last request of the main agent.
"""

from __future__ import annotations

from typing import Any

import attrs

from ....contracts.provider_events import UsageUpdated
from ....contracts.values import JsonObject
from ..loose_json import amount_of, count_of, object_of, text_of

__all__ = ["ClaudeUsage"]


@attrs.frozen(kw_only=True)
class ClaudeUsage:
    """`total_cost` is the cost of the process so far.

    `model`, `context_input` and `context_used` are those of the last request: the tokens that it sent, and those with
    its answer.
    """

    total_cost: float = 0.0
    model: str = ""
    context_input: int = 0
    context_used: int | None = None

    def take_assistant(self, content: JsonObject) -> ClaudeUsage:
        """Take the message of the main agent: `content` is an API message, with its model and its usage."""
        usage = object_of(content.get("usage"))
        sent = _input_tokens(usage)
        used = sent + (count_of(usage.get("output_tokens")) or 0)
        model = text_of(content.get("model"))
        if model.startswith("<"):  # of a message that no model made
            return self
        return attrs.evolve(self, model=model or self.model, context_input=sent, context_used=used or self.context_used)

    def reset(self) -> ClaudeUsage:
        """The usage after the conversation was reset, which sets the totals of the process to 0."""
        return ClaudeUsage(model=self.model)

    def take_message_delta(self, event: JsonObject) -> ClaudeUsage:
        """Take the stream event that ends a message of the main agent: it has the final count of its tokens."""
        output = count_of(object_of(event.get("usage")).get("output_tokens"))
        return self if output is None else attrs.evolve(self, context_used=self.context_input + output)

    def take_result(self, result: JsonObject) -> tuple[ClaudeUsage, tuple[UsageUpdated, ...]]:
        """Take the end of a turn."""
        total = amount_of(result.get("total_cost_usd"))
        after = self if total is None else attrs.evolve(self, total_cost=total)
        by_model = _models(result.get("model_usage_since_last_result"))
        usage = self._of_models(by_model) if by_model else self._of_turn(result, total)
        if usage.input_tokens is None and usage.cost_usd is None:
            return after, ()
        windows = {**_models(result.get("modelUsage")), **by_model}
        window = count_of(object_of(windows.get(usage.model or "")).get("contextWindow"))
        return after, (attrs.evolve(usage, context_window=window, context_used=self.context_used),)

    def _of_models(self, by_model: dict[str, JsonObject]) -> UsageUpdated:
        counts = list(by_model.values())
        most = max(by_model, key=lambda name: count_of(by_model[name].get("outputTokens")) or 0)
        return UsageUpdated(
            input_tokens=sum(
                _total(counts, key) for key in ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
            ),
            cached_input_tokens=_total(counts, "cacheReadInputTokens"),
            output_tokens=_total(counts, "outputTokens"),
            reasoning_tokens=_total(counts, "thinkingTokens") or None,
            cost_usd=sum(amount_of(one.get("costUSD")) or 0.0 for one in counts),
            model=self.model if self.model in by_model else most,
        )

    def _of_turn(self, result: JsonObject, total: float | None) -> UsageUpdated:
        usage = object_of(result.get("usage"))
        cost = None
        if total is not None:
            cost = total - self.total_cost if total >= self.total_cost else total
        return UsageUpdated(
            input_tokens=_input_tokens(usage) if usage else None,
            cached_input_tokens=count_of(usage.get("cache_read_input_tokens")),
            output_tokens=count_of(usage.get("output_tokens")),
            cost_usd=cost,
            model=self.model or None,
        )


def _models(usage: Any) -> dict[str, JsonObject]:
    return {name: fields for name, fields in object_of(usage).items() if isinstance(fields, dict)}


def _total(counts: list[JsonObject], key: str) -> int:
    return sum(count_of(one.get(key)) or 0 for one in counts)


def _input_tokens(usage: JsonObject) -> int:
    keys = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(count_of(usage.get(key)) or 0 for key in keys)
