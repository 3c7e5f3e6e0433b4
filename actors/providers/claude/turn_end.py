"""The end of a turn of Claude Code, from its `result` message. Pure."""

from __future__ import annotations

from ....contracts.provider_events import TurnCompleted, TurnOutcome
from ....contracts.values import Instant, JsonObject
from ..loose_json import list_of, text_of
from .failures import claude_failure

__all__ = ["answers_prompt", "turn_end"]


def turn_end(
    result: JsonObject, *, is_interrupting: bool, is_cancelling: bool, error: str, lifted_at: Instant | None
) -> TurnCompleted:
    """The end of a turn. `is_interrupting`: the runtime interrupted it; `is_cancelling`: a decision cancelled it.

    `error` is the kind of error of the turn's last assistant message, `lifted_at` when an exhausted limit resets.
    """
    outcome = _outcome(result, is_interrupting=is_interrupting, is_cancelling=is_cancelling)
    if outcome != "failed":
        return TurnCompleted(outcome=outcome)
    failure = claude_failure(result, error=error, limit_lifted_at=lifted_at)
    return TurnCompleted(outcome=outcome, error=failure.text, reason=failure.reason, retry_at=failure.retry_at)


def _outcome(result: JsonObject, *, is_interrupting: bool, is_cancelling: bool) -> TurnOutcome:
    if result.get("subtype") == "success" and result.get("is_error") is not True:
        return "completed"
    if is_interrupting:
        return "interrupted"
    if is_cancelling or text_of(result.get("terminal_reason")).startswith("aborted"):
        return "cancelled"
    return "failed"


def answers_prompt(result: JsonObject, prompt: str, *, is_agents: bool) -> bool:
    """Whether a result ends the turn of this prompt: by the prompts that it names, else by its origin.

    `is_agents`: a turn of the agent's own runs, which the result may end.
    """
    prompts = list_of(result.get("user_message_uuids"))
    if prompts or is_agents:
        return prompt in prompts
    return result.get("origin") is None
