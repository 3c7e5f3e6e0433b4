"""Why a turn of Claude Code failed: a bounded text for people, a stable reason for programs. Pure.

Source: `ResultMessage`, `AssistantMessageError` and `RateLimitInfo` of claude-agent-sdk
"""

from __future__ import annotations

from typing import Final

from ....contracts.values import FailureReason, Instant, JsonObject
from ..failures import ProviderFailure, failure_of, instant_of, reason_of_status, with_login
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain

__all__ = ["LOGIN", "claude_failure", "lifted_at"]

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


def claude_failure(result: JsonObject, *, error: str = "", limit_lifted_at: Instant | None = None) -> ProviderFailure:
    """The failure in a `result` message. `error` is the kind of error of the turn's last assistant message."""
    errors = "; ".join(one for one in list_of(result.get("errors")) if isinstance(one, str) and one.strip())
    subtype = text_of(result.get("subtype"))
    words = errors or text_of(result.get("result")) or _SENTENCES.get(subtype, f"the agent failed ({subtype})")
    reason = (
        _BY_SUBTYPE.get(subtype)
        or _BY_ERROR.get(error)
        or reason_of_status(result.get("api_error_status"))
        or ("refused" if result.get("stop_reason") == "refusal" else None)
        or failure_of(words).reason
    )
    return ProviderFailure(
        text=with_login(plain(words), reason, LOGIN),
        reason=reason,
        retry_at=limit_lifted_at if reason == "rate_limited" else None,
    )


def lifted_at(message: JsonObject) -> Instant | None:
    """When the exhausted limit of a `rate_limit_event` resets; None where no limit is exhausted."""
    limit = object_of(message.get("rate_limit_info"))
    return instant_of(limit.get("resetsAt", limit.get("resets_at"))) if limit.get("status") == "rejected" else None
