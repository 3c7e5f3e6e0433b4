"""An agent's failure as a bounded text and, where it can be recognised, a stable reason. Pure.

Agents put the cause into the message, into the error's `data`, or into both. Reasons are found by codes and fields
first, then by phrases that model providers use. A failure that is not recognised has no reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from ...contracts.values import FailureReason, Instant, instant
from .json_lines import loose_json
from .redaction import plain

__all__ = ["ProviderFailure", "failure_of", "instant_of", "reason_of_status", "with_login"]

_MAX_BYTES: Final = 4 * 1024
_MAX_DEPTH: Final = 4
_TEXT_KEYS: Final = ("details", "detail", "data", "message", "error", "reason", "description", "cause", "stderr")
_CODE_KEYS: Final = ("code", "status", "statusCode", "status_code", "httpStatus", "type", "errorKind", "kind")

_AUTHENTICATION_REQUIRED: Final = -32000
"""The code of the Agent Client Protocol. Other programs use it for errors of any kind, so the text is checked too."""

_BY_CODE: Final[dict[int, FailureReason]] = {401: "unauthenticated", 413: "context_full", 429: "rate_limited"}
_BY_STATUS: Final[dict[Any, FailureReason]] = {401: "unauthenticated", 403: "unauthenticated", 429: "rate_limited"}
_STATUS: Final = r"(?:http|status|code|error)\W{0,3}%s\b|^%s(?=\s*(?:$|[:;,.()]|too\b))"
_WORDINGS: Final[dict[FailureReason, str]] = {
    "context_full": r"context[ _-]?(?:length|window|size|limit)|maximum context|(?:prompt|input) (?:is )?too long",
    "rate_limited": (
        r"rate[ _-]?limit|too many requests|quota|usage[ _-]?limit|resource[ _]?exhausted|" + _STATUS % (429, 429)
    ),
    "unauthenticated": (
        r"unauthenticated|unauthori[sz]ed|authentication (?:is )?(?:required|failed|error)|auth_required"
        r"|authentication_error|not (?:logged|signed) in|(?:log|sign) ?in (?:is )?required|please (?:log|sign) ?in"
        r"|(?:invalid|incorrect|missing|expired|no) (?:x-)?api[ _-]?key|(?:token|login) (?:has )?expired|"
        + _STATUS
        % (401, 401)
    ),
    "model_unavailable": (
        r"model[ _-]?not[ _-]?(?:found|available|supported)|unknown model|no such model"
        r"|model\b.{0,80}\b(?:not found|does not exist|not available|unavailable|not supported|no longer)"
    ),
}
_UNKNOWN: Final = re.compile(r"not found|unknown|no such|does not exist", re.IGNORECASE)
_BY_WORDING: Final = {reason: re.compile(wording, re.IGNORECASE) for reason, wording in _WORDINGS.items()}


@attrs.frozen(kw_only=True)
class ProviderFailure:
    """`text` is for people, at most 4 KiB; `reason` for programs, None where it is unknown.

    `retry_at` is when an exhausted limit resets, where the agent reports it.
    """

    text: str
    reason: FailureReason | None = None
    retry_at: Instant | None = None


def failure_of(message: str, *, code: int | None = None, data: Any = None) -> ProviderFailure:
    """The failure that a JSON-RPC error, or a similar one, describes: from its message and its data."""
    parts = [message.strip()]
    for detail in _details(data):
        if not any(detail in part for part in parts):
            parts = [part for part in parts if part not in detail]
            parts.append(detail)
    text = plain(": ".join(part for part in parts if part), max_bytes=_MAX_BYTES) or "no reason given"
    codes = {code, *_codes(data)}
    reason = next((_BY_CODE[one] for one in codes if one in _BY_CODE), None) or _reason_from_text(
        " ".join((text, *map(str, codes)))
    )
    if reason is None and code == _AUTHENTICATION_REQUIRED and not _UNKNOWN.search(text):
        reason = "unauthenticated"
    return ProviderFailure(text=text, reason=reason)


def reason_of_status(status: Any) -> FailureReason | None:
    """The reason that an HTTP status of a model's API stands for."""
    return _BY_STATUS.get(status) if isinstance(status, int) else None


def with_login(text: str, reason: FailureReason | None, command: str) -> str:
    """A text that also names the command to log in where a login is missing."""
    return f"{text} (log in with: {command})" if reason == "unauthenticated" else text


def instant_of(seconds: Any) -> Instant | None:
    """The instant of a number of seconds since 1970; None for any other value."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return instant(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _reason_from_text(text: str) -> FailureReason | None:
    return next((reason for reason, wording in _BY_WORDING.items() if wording.search(text)), None)


def _details(data: Any, depth: int = 0) -> Iterator[str]:
    """The texts in the known fields of an error's data, or the data itself as JSON where it has none of them."""
    if data is None or depth > _MAX_DEPTH:
        return
    if isinstance(data, str):
        yield data.strip()[: 4 * _MAX_BYTES]
        return
    if isinstance(data, dict):
        found = [text for key in _TEXT_KEYS if key in data for text in _details(data[key], depth + 1)]
        if found:
            yield from found
            return
    if data not in ({}, []):
        try:
            yield loose_json(data).decode()[: 4 * _MAX_BYTES]
        except TypeError:
            return


def _codes(data: Any, depth: int = 0) -> Iterator[Any]:
    """Codes and kinds in an error's data, also in nested errors."""
    if not isinstance(data, dict) or depth > _MAX_DEPTH:
        return
    for key in _CODE_KEYS:
        one = data.get(key)
        if isinstance(one, int) and not isinstance(one, bool):
            yield one
        elif isinstance(one, str):
            yield int(one) if one.isdigit() and len(one) < 6 else one[:100]
    for key in _TEXT_KEYS:
        yield from _codes(data.get(key), depth + 1)
