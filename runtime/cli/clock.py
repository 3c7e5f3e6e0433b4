"""The time as commands carry it."""

from __future__ import annotations

from datetime import UTC, datetime

from ...contracts.values import Instant, instant


def now() -> Instant:
    return instant(datetime.now(UTC))
