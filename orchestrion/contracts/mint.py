"""Where time and ids come from: the pure domain is given both as data."""

from __future__ import annotations

from typing import Protocol

from .values import Instant


class Mint(Protocol):
    """Where ids and instants come from. Ids are time-ordered, so that indexes grow at their end."""

    def now(self) -> Instant: ...

    def new_id(self) -> str: ...
