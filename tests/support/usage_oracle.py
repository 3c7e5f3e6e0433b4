"""The usage of a thread that SPEC 7.4 describes, summed up without shared code."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ["usage_json"]

_SUMS: Final = ("inputTokens", "cachedInputTokens", "outputTokens", "reasoningTokens", "costUsd")
_LATEST: Final = ("contextWindow", "contextUsed", "model")


def usage_json(activities: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Sums over the activities of one thread, in their order; None without any."""
    reported = [one["payload"] for one in activities if one["kind"] == "usage.updated"]
    if not reported:
        return None
    usage: dict[str, Any] = {}
    for key in _SUMS:
        known = [payload[key] for payload in reported if key in payload]
        usage[key] = None if not known else round(math.fsum(known), 6) if key == "costUsd" else sum(known)
    return usage | {key: reported[-1].get(key) for key in _LATEST}
