"""Time and ids from outside: what the pure domain is given as data."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from ..runtime.contracts.values import Instant, instant

_VERSION_7 = 0x7 << 76
_RFC_VARIANT = 0b10 << 62
_BELOW_VERSION = (1 << 76) - 1
_BELOW_VARIANT = (1 << 62) - 1


class Mint(Protocol):
    """Where ids and instants come from. Ids are time-ordered, so that indexes grow at their end."""

    def now(self) -> Instant: ...

    def new_id(self) -> str: ...


class SystemMint:
    """The machine's clock, and UUIDs of version 7 (RFC 9562): 48 bits of milliseconds, then random bits."""

    def now(self) -> Instant:
        return instant(datetime.now(UTC))

    def new_id(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        noise = int.from_bytes(os.urandom(10), "big")
        high = (milliseconds << 80) | _VERSION_7 | (noise & _BELOW_VERSION & ~((1 << 64) - 1))
        return str(UUID(int=high | _RFC_VARIANT | (noise & _BELOW_VARIANT)))
