"""The barrier: how a snapshot becomes a consistent cut.

A barrier names a target sequence. Each projector looks at this slot between its batches, applies everything up to the
target and nothing beyond, commits its position there, and parks. When the last has arrived, every reader that shares
the barrier pins its read transaction, and the projectors go on. A projector that has halted fails the barrier at
once, and so does one that has failed for `PATIENCE_SECONDS` already; one that begins to retry fails it after so long.
Either way the others are released: they wait for one snapshot at most, however many are requested.
"""

from __future__ import annotations

from typing import Final

import anyio

from ...contracts.errors import ProjectionStalled, RuntimeStopped

PATIENCE_SECONDS: Final = 2.0


class Barrier:
    """One cut at `target` for a fixed set of projectors and any number of readers."""

    def __init__(self, target: int, projectors: frozenset[str]) -> None:
        self.target = target
        self._missing = set(projectors)
        self._readers = 0
        self._complete = anyio.Event()
        self._released = anyio.Event()
        self._obstacle: ProjectionStalled | RuntimeStopped | None = None

    @property
    def missing(self) -> frozenset[str]:
        """The projectors that have not arrived."""
        return frozenset(self._missing)

    @property
    def is_over(self) -> bool:
        return self._released.is_set()

    def join(self) -> None:
        """Count one more reader, whose `leave` the projectors wait for."""
        self._readers += 1

    def leave(self) -> None:
        """The reader has pinned its transaction, or has given up."""
        self._readers -= 1
        if self._readers == 0:
            self._released.set()

    async def completed(self) -> None:
        """Wait until every projector is at the target.

        Raises:
            ProjectionStalled: one of them cannot get there.
            RuntimeStopped: one of them has stopped, as the runtime does.
        """
        await self._complete.wait()
        if self._obstacle is not None:
            raise self._obstacle

    def fail(self, obstacle: ProjectionStalled | RuntimeStopped) -> None:
        """A projector cannot arrive: fail the readers and release the other projectors."""
        if not self._complete.is_set():
            self._obstacle = obstacle
            self._complete.set()
            self._released.set()

    def arrive(self, projector: str) -> None:
        """The projector is at the target, rows and position committed."""
        self._missing.discard(projector)
        if not self._missing:
            self._complete.set()

    async def released(self) -> None:
        """Wait until the readers have what they came for."""
        await self._released.wait()
