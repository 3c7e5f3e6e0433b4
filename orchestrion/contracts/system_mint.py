"""The machine's clock, and new ids."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from .values import EPOCH, Instant, instant

_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
_DIGIT_OF_BYTE: Final = _DIGITS * 8
"""Translates a byte into the digit of its low five bits."""

_TIME_DIGITS: Final = 10
_RANDOM_DIGITS: Final = 14
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SystemMint:
    """The machine's clock, and ids of 24 characters: 50 bits of milliseconds, then 70 random bits, in base32hex.

    Base32hex (RFC 4648) keeps the order of the bits. An id is stored half a dozen times in a row and its indexes, so
    a third less than a UUID's text is worth having. What is the same for a whole millisecond is made once for it. May
    be used by any thread.
    """

    def __init__(self) -> None:
        self._random = Random()
        self._latest = _Millisecond(-1, EPOCH, "")

    def now(self) -> Instant:
        return self._millisecond().instant

    def new_id(self) -> str:
        random_bytes = self._random.getrandbits(8 * _RANDOM_DIGITS).to_bytes(_RANDOM_DIGITS, "little")
        return self._millisecond().prefix + random_bytes.translate(_DIGIT_OF_BYTE).decode()

    def _millisecond(self) -> _Millisecond:
        number = time.time_ns() // 1_000_000
        latest = self._latest
        if latest.number != number:
            moment = f"{_second(number // 1000)}.{number % 1000:03}Z"
            latest = self._latest = _Millisecond(number, Instant(moment), _base32(number))
        return latest


class _Millisecond(NamedTuple):
    """One millisecond: its number since 1970, as an instant, and as the beginning of ids."""

    number: int
    instant: Instant
    prefix: str


@lru_cache(maxsize=4)
def _second(number: int) -> str:
    """A second since 1970 as an instant begins."""
    return instant(_EPOCH + timedelta(seconds=number)).partition(".")[0]


def _base32(number: int) -> str:
    return "".join([chr(_DIGITS[number >> shift & 31]) for shift in range(5 * (_TIME_DIGITS - 1), -1, -5)])
