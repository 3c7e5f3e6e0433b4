"""Why Claude Code says that a turn failed: a bounded text for people, a stable reason for programs. Pure.

Source: `ResultMessage`, `AssistantMessageError` and `RateLimitInfo` of claude-agent-sdk
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import attrs

from ...runtime.contracts.values import FailureReason, Instant, JsonObject, instant
from .acp_tools import list_of, object_of, text_of
from .failures import failure_of
from .redaction import plain

__all__ = ["LOGIN", "ClaudeFailure", "claude_failure", "lifted_at"]

LOGIN: Final = "claude auth login"

_SENTENCES: Final = {
    "error_during_execution": "the agent failed while it worked",
    "error_max_turns": "the agent reached its limit of model requests in a turn",
    "error_max_budget_usd": "the agent reached its limit of cost",
}
_BY_SUBTYPE: Final[dict[str, FailureReason]] = {
    "error_max_turns": "max_turns",
    "error_max_budget_usd": "max_turns",
}
_BY_ERROR: Final[dict[str, FailureReason]] = {
    "authentication_failed": "unauthenticated",
    "billing_error": "rate_limited",
    "rate_limit": "rate_limited",
    "model_not_found": "model_unavailable",
}
_BY_STATUS: Final[dict[int, FailureReason]] = {401: "unauthenticated", 403: "unauthenticated", 429: "rate_limited"}


@attrs.frozen(kw_only=True)
class ClaudeFailure:
    text: str
    reason: FailureReason | None = None


def claude_failure(result: JsonObject, *, error: str = "") -> ClaudeFailure:
    """What a `result` message tells. `error` is the kind of error that the turn's last assistant message named."""
    errors = "; ".join(one for one in list_of(result.get("errors")) if isinstance(one, str) and one.strip())
    subtype = text_of(result.get("subtype"))
    words = errors or text_of(result.get("result")) or _SENTENCES.get(subtype, f"the agent failed ({subtype})")
    status = result.get("api_error_status")
    reason = (
        _BY_SUBTYPE.get(subtype)
        or _BY_ERROR.get(error)
        or (_BY_STATUS.get(status) if isinstance(status, int) else None)
        or ("refused" if result.get("stop_reason") == "refusal" else None)
        or failure_of(words).reason
    )
    text = plain(words)
    return ClaudeFailure(
        text=f"{text} (log in with: {LOGIN})" if reason == "unauthenticated" else text,
        reason=reason,
    )


def lifted_at(message: JsonObject) -> Instant | None:
    """When a limit that a `rate_limit_event` calls reached is lifted."""
    told = object_of(message.get("rate_limit_info"))
    seconds = told.get("resetsAt", told.get("resets_at"))
    if told.get("status") != "rejected" or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return instant(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None
