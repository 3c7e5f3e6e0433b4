"""The eight projectors together: waiting for them, cutting the log across them, looking at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from ...contracts.errors import InvalidRequest, RuntimeStopped
from ...persistence.readers import PinnedReader, ReaderPool
from ..log.event_log import EventLog
from .barrier import PATIENCE_SECONDS, Barrier
from .projector import Projector

T = TypeVar("T")


class Projectors:
    """All projectors of a runtime. Owns the one barrier there can be at a time."""

    def __init__(self, projectors: Sequence[Projector], log: EventLog, readers: ReaderPool) -> None:
        self._by_name = {projector.name: projector for projector in projectors}
        self._log = log
        self._readers = readers
        self._barrier: Barrier | None = None

    @property
    def all(self) -> tuple[Projector, ...]:
        return tuple(self._by_name.values())

    def positions(self) -> dict[str, int]:
        """How far each projector has applied the log."""
        return {name: projector.position for name, projector in self._by_name.items()}

    @property
    def head(self) -> int:
        """The head of the log that they apply."""
        return self._log.head

    def named(self, names: Collection[str] = ()) -> tuple[Projector, ...]:
        """The projectors of these names, all of them by default.

        Raises:
            InvalidRequest: a name is no projector's.
        """
        self.check_names(names)
        return tuple(projector for name, projector in self._by_name.items() if not names or name in names)

    def check_names(self, names: Collection[str]) -> None:
        """Check that each name is a projector's.

        Raises:
            InvalidRequest: one is not.
        """
        unknown = {name for name in names if name not in self._by_name}
        if unknown:
            known = ", ".join(self._by_name)
            raise InvalidRequest("projectors", f"no such projector: {', '.join(sorted(unknown))}; there are: {known}")

    async def wait_until(self, sequence: int, names: Collection[str] = ()) -> None:
        """Wait until these projectors, all of them by default, have applied every event up to `sequence`.

        Raises:
            ProjectionStalled: one of them has halted before it.
            InvalidRequest: a name is no projector's.
            RuntimeStopped: the runtime has stopped before it.
        """
        self.check_names(names)
        for name in names or self._by_name:
            await self._by_name[name].wait_until(sequence)

    @asynccontextmanager
    async def cut(self, first: Callable[..., T]) -> AsyncIterator[tuple[PinnedReader, T]]:
        """A read transaction in which all projectors are at one sequence, at least the head when asked.

        `first` is its first read. Requests that arrive together share one barrier.

        Raises:
            ProjectionStalled: a projector has halted, or has kept retrying for two seconds.
            RuntimeStopped: the runtime has stopped.
        """
        if self._log.has_ended:
            raise RuntimeStopped("the runtime has stopped and reads no more")
        barrier = await self._join_barrier()
        joined = True
        try:
            await self._completed(barrier)
            async with self._readers.pinned(first) as pinned:
                barrier.leave()
                joined = False
                yield pinned
        finally:
            if joined:
                barrier.leave()

    async def _join_barrier(self) -> Barrier:
        while (current := self._barrier) is not None and not current.is_over:
            if current.target >= self._log.head:
                current.join()
                return current
            await current.released()
        barrier = Barrier(self._log.head, frozenset(self._by_name))
        barrier.join()
        self._barrier = barrier
        for projector in self._by_name.values():
            projector.raise_barrier(barrier)
        return barrier

    async def _completed(self, barrier: Barrier) -> None:
        while True:
            with anyio.move_on_after(PATIENCE_SECONDS):
                await barrier.completed()
                return
            for name in barrier.missing:
                projector = self._by_name[name]
                if projector.status != "live":
                    barrier.fail(projector.obstacle())
