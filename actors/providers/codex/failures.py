"""Why a turn or a request of Codex failed: a bounded text for people, a stable reason for programs. Pure.

Source: `codex app-server generate-json-schema`, `CodexErrorInfo` and `RateLimitSnapshot`
"""

from __future__ import annotations

from typing import Any, Final

from ....contracts.provider_events import RuntimeErrorReported
from ....contracts.values import FailureReason, Instant, JsonObject
from ..failures import ProviderFailure, failure_of, instant_of, reason_of_status, with_login
from ..loose_json import object_of, text_of
from ..redaction import plain

__all__ = ["LOGIN", "codex_failure", "resets_at", "retry_report"]

LOGIN: Final = "codex login"

_BY_INFO: Final[dict[str, FailureReason]] = {
    "contextWindowExceeded": "context_full",
    "sessionBudgetExceeded": "max_turns",
    "usageLimitExceeded": "rate_limited",
    "rateLimitExceeded": "rate_limited",
    "unauthorized": "unauthenticated",
    "cyberPolicy": "refused",
    "misalignmentPolicyViolation": "refused",
    "tooManyDenials": "refused",
}


def codex_failure(error: JsonObject, lifted_at: Instant | None) -> ProviderFailure:
    """The failure that a `TurnError` describes. `lifted_at` is when the account's rate limits reset, if known."""
    message, more = text_of(error.get("message")), text_of(error.get("additionalDetails"))
    failure = failure_of(message or more or "the agent gave no reason", data=more if message else None)
    reason = _reason(error.get("codexErrorInfo")) or failure.reason
    return ProviderFailure(
        text=with_login(plain(failure.text), reason, LOGIN),
        reason=reason,
        retry_at=lifted_at if reason == "rate_limited" else None,
    )


def retry_report(message: JsonObject, lifted_at: Instant | None) -> RuntimeErrorReported:
    """The report of an `error` after which the agent tries again."""
    failure = codex_failure(object_of(message.get("error")), lifted_at)
    return RuntimeErrorReported(message=f"the agent tries again: {failure.text}", reason=failure.reason)


def resets_at(limits: JsonObject) -> Instant | None:
    """When the last exhausted limit of a snapshot resets; None where none is exhausted or no reset is given."""
    windows = [object_of(limits.get(key)) for key in ("primary", "secondary")]
    reached = [window for window in windows if _number(window.get("usedPercent"), 0) >= 100]
    if not reached and limits.get("rateLimitReachedType") is not None:
        reached = windows
    times = [seconds for window in reached if (seconds := _number(window.get("resetsAt"), 0)) > 0]
    return instant_of(max(times)) if times else None


def _reason(info: Any) -> FailureReason | None:
    if isinstance(info, str):
        return _BY_INFO.get(info)
    for fields in object_of(info).values():
        reason = reason_of_status(object_of(fields).get("httpStatusCode"))
        if reason is not None:
            return reason
    return None


def _number(value: Any, otherwise: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise
