"""Access to fields of JSON from agents, whose types are unknown: another type gives an empty value."""

from __future__ import annotations

import math
from typing import Any

from ...contracts.values import JsonObject


def object_of(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int | None:
    """A number of things; None for any other value."""
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return int(value) if is_count else None


def amount_of(value: Any) -> float | None:
    """A finite amount that is not negative; None for any other value."""
    is_amount = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if is_amount else None
