"""What turns use, from the messages of each agent: counts per turn, whatever the agent counts from."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp.usage import AcpUsage
from orchestrion.actors.providers.claude.usage import ClaudeUsage
from orchestrion.actors.providers.codex.usage import CodexUsage
from orchestrion.contracts.provider_events import UsageUpdated

pytestmark = pytest.mark.spec("E110")


def codex_update(total: int, last: int) -> dict[str, Any]:
    def counts(tokens: int) -> dict[str, int]:
        return {
            "inputTokens": tokens,
            "cachedInputTokens": tokens // 2,
            "outputTokens": tokens // 10,
            "reasoningOutputTokens": tokens // 20,
            "totalTokens": tokens + tokens // 10,
        }

    return {"tokenUsage": {"total": counts(total), "last": counts(last), "modelContextWindow": 1000}}


def acp_cost(amount: float, currency: str = "USD") -> dict[str, Any]:
    return {"used": 30, "size": 100, "cost": {"amount": amount, "currency": currency}}


def claude_result(total_cost: float, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 1, "output_tokens": 4}
    return {"type": "result", "total_cost_usd": total_cost, "usage": usage, **fields}


class TestCodex:
    def test_turn_has_the_growth_of_the_total(self) -> None:
        usage, _ = CodexUsage().begin_turn(model="gpt").take_update(codex_update(100, 100))
        usage, _ = usage.begin_turn(model="gpt").take_update(codex_update(140, 40))
        _, reported = usage.take_update(codex_update(200, 60))
        assert reported == (
            UsageUpdated(
                input_tokens=100,
                cached_input_tokens=50,
                output_tokens=10,
                reasoning_tokens=5,
                context_window=1000,
                context_used=66,
                model="gpt",
            ),
        )

    def test_first_total_of_a_resumed_thread_counts_its_last_request(self) -> None:
        _, (reported,) = CodexUsage().begin_turn(model=None).take_update(codex_update(1000, 40))
        assert reported.input_tokens == 40

    def test_total_before_the_first_turn_is_no_usage_of_it(self) -> None:
        usage = CodexUsage().take_baseline(codex_update(1000, 40)).begin_turn(model=None)
        _, (reported,) = usage.take_update(codex_update(1060, 60))
        assert reported.input_tokens == 60

    def test_repeated_update_is_reported_once(self) -> None:
        usage, _ = CodexUsage().begin_turn(model=None).take_update(codex_update(100, 100))
        assert usage.take_update(codex_update(100, 100))[1] == ()


class TestAcp:
    def test_cost_of_a_turn_is_the_growth_of_the_sessions(self) -> None:
        usage, _ = AcpUsage().take_update(acp_cost(0.5))
        _, (reported,) = usage.begin_turn(model="m").take_update(acp_cost(0.75))
        assert reported == UsageUpdated(context_used=30, context_window=100, cost_usd=0.25, model="m")

    def test_cost_of_unknown_origin_is_left_out(self) -> None:
        usage, (reported,) = AcpUsage().begin_turn(model=None).take_update(acp_cost(7.0))
        assert reported.cost_usd is None
        assert usage.take_update(acp_cost(7.5))[1][0].cost_usd == 0.5

    def test_cost_in_another_currency_is_left_out(self) -> None:
        usage, _ = AcpUsage().take_update(acp_cost(1.0, "EUR"))
        _, reported = usage.begin_turn(model=None).take_update(acp_cost(2.0, "EUR"))
        assert [one.cost_usd for one in reported] == [None]

    @pytest.mark.parametrize(("total", "whole"), [(17, 13), (14, 10)])
    def test_input_includes_what_came_from_the_cache(self, total: int, whole: int) -> None:
        counts = {"inputTokens": 10, "cachedReadTokens": 3, "outputTokens": 4, "totalTokens": total}
        _, (reported,) = AcpUsage().begin_turn(model=None).take_reply(counts)
        assert (reported.input_tokens, reported.cached_input_tokens, reported.output_tokens) == (whole, 3, 4)

    @pytest.mark.parametrize("usage", [None, [], {}, {"outputTokens": "many"}, {"outputTokens": float("nan")}])
    def test_reply_without_counts_reports_nothing(self, usage: Any) -> None:
        assert AcpUsage().take_reply(usage)[1] == ()


class TestClaude:
    def test_usage_since_the_last_result_is_the_turns(self) -> None:
        models = {"opus": {"inputTokens": 9, "cacheReadInputTokens": 5, "outputTokens": 4, "costUSD": 0.2}}
        usage = ClaudeUsage().take_assistant({"model": "opus", "usage": {"input_tokens": 14, "output_tokens": 4}})
        models["opus"]["contextWindow"] = 200
        _, (reported,) = usage.take_result(claude_result(3.0, model_usage_since_last_result=models))
        assert reported == UsageUpdated(
            input_tokens=14,
            cached_input_tokens=5,
            output_tokens=4,
            context_window=200,
            context_used=18,
            cost_usd=0.2,
            model="opus",
        )

    def test_cost_of_older_versions_is_the_growth_of_the_total(self) -> None:
        usage, (first,) = ClaudeUsage().take_result(claude_result(0.5))
        usage, (second,) = usage.take_result(claude_result(0.75))
        assert (first.cost_usd, second.cost_usd, second.input_tokens) == (0.5, 0.25, 16)

    def test_total_that_was_reset_counts_from_nothing(self) -> None:
        usage, _ = ClaudeUsage().take_result(claude_result(0.5))
        assert usage.take_result(claude_result(0.125))[1][0].cost_usd == 0.125

    def test_message_that_no_model_made_changes_nothing(self) -> None:
        usage = ClaudeUsage(model="opus", context_used=7)
        assert usage.take_assistant({"model": "<synthetic>", "usage": {"input_tokens": 0}}) == usage
