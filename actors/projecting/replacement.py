"""A replacement: rebuilt rows that a projector takes in place of its own.

A projector looks at this slot between its batches, halted or not, and swaps rows and position in one transaction of
its own. Until it has begun, the one who asked may withdraw; from then on the answer is waited for, because the swap
reads what the one who asked holds.
"""

from __future__ import annotations

import anyio

from ...persistence.apply_projection import Swap
from ..shields import shield


class Replacement:
    """One request to a projector, and its answer."""

    def __init__(self, swap: Swap) -> None:
        self.swap = swap
        self._begun = False
        self._ended = anyio.Event()
        self._error: Exception | None = None

    def begin(self) -> None:
        """The projector hands the swap in."""
        self._begun = True

    def end(self, error: Exception | None = None) -> None:
        """The swap has run, or never will. Its first end is the one that counts."""
        if not self._ended.is_set():
            self._error = error
            self._ended.set()

    async def answer(self) -> None:
        """Wait for the end; raises the error that it came with. Cancelled once it has begun, the end comes first."""
        try:
            await self._ended.wait()
        except anyio.get_cancelled_exc_class():
            if self._begun:
                with shield():
                    await self._ended.wait()
            raise
        if self._error is not None:
            raise self._error
