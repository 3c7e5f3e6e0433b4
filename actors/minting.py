"""Time and ids from outside: what the pure domain is given as data."""

from __future__ import annotations

import time
from base64 import b32hexencode
from datetime import UTC, datetime
from random import Random
from typing import Final, Protocol

from ..runtime.contracts.values import Instant, instant

_RANDOM_BITS: Final = 72
_ID_BYTES: Final = 15


class Mint(Protocol):
    """Where ids and instants come from. Ids are time-ordered, so that indexes grow at their end."""

    def now(self) -> Instant: ...

    def new_id(self) -> str: ...


class SystemMint:
    """The machine's clock, and ids of 24 characters: 48 bits of milliseconds, then 72 random bits, in base32hex.

    Base32hex (RFC 4648) keeps the order of the bits. An id stands in half a dozen places of a row and its indexes, so
    a third less than a UUID's text is worth having. May be used by any thread.
    """

    def __init__(self) -> None:
        self._random = Random()

    def now(self) -> Instant:
        return instant(datetime.now(UTC))

    def new_id(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        number = (milliseconds << _RANDOM_BITS) | self._random.getrandbits(_RANDOM_BITS)
        return b32hexencode(number.to_bytes(_ID_BYTES, "big")).decode().lower()
