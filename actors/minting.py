"""Time and ids from outside: what the pure domain is given as data."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple, Protocol

from ..runtime.contracts.values import EPOCH, Instant, instant

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
"""Ten bits each."""

_PAIR_BITS: Final = 10
_MILLISECOND_BITS: Final = 50
_RANDOM_BITS: Final = 70
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Mint(Protocol):
    """Where ids and instants come from. Ids are time-ordered, so that indexes grow at their end."""

    def now(self) -> Instant: ...

    def new_id(self) -> str: ...


class SystemMint:
    """The machine's clock, and ids of 24 characters: 50 bits of milliseconds, then 70 random bits, in base32hex.

    Base32hex (RFC 4648) keeps the order of the bits. An id stands in half a dozen places of a row and its indexes, so
    a third less than a UUID's text is worth having. What is the same for a whole millisecond is made once for it. May
    be used by any thread.
    """

    def __init__(self) -> None:
        self._random = Random()
        self._latest = _Millisecond(-1, EPOCH, "")

    def now(self) -> Instant:
        return self._millisecond().instant

    def new_id(self) -> str:
        return self._millisecond().prefix + _base32(self._random.getrandbits(_RANDOM_BITS), _RANDOM_BITS)

    def _millisecond(self) -> _Millisecond:
        number = time.time_ns() // 1_000_000
        latest = self._latest
        if latest.number != number:
            moment = instant(_EPOCH + timedelta(milliseconds=number))
            latest = self._latest = _Millisecond(number, moment, _base32(number, _MILLISECOND_BITS))
        return latest


class _Millisecond(NamedTuple):
    """One millisecond: its number since 1970, as an instant, and as the beginning of ids."""

    number: int
    instant: Instant
    prefix: str


def _base32(number: int, bits: int) -> str:
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in range(bits - _PAIR_BITS, -1, -_PAIR_BITS)])
