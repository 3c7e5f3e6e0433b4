"""Who works in which workspace: turns share one, a revert has it to itself.

- A turn is at work from before its baseline until its end is captured. While a revert holds a workspace, no turn
  begins in it or in a directory above or below it, by whatever path that is reached.
- A revert is refused where another thread's turn is at work, unless it was begun before a crash: then it waits.
- Turns that were at work in one workspace at once cannot be told apart: each knows which threads it met.

Belongs to the event loop: nothing here is awaited between a look and what follows from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import attrs

from ...contracts.errors import OrchestrionError
from ...contracts.ids import ThreadId, TurnId
from ...persistence.directory_place import DirectoryPlace
from ...persistence.threads import in_thread


class WorkspaceBusy(OrchestrionError):
    """Other threads' turns are at work in the workspace. Try again when they are over."""

    def __init__(self, workspace: Path, thread_ids: frozenset[ThreadId]) -> None:
        named = ", ".join(repr(thread_id) for thread_id in sorted(thread_ids))
        super().__init__(f"a turn of thread {named} is at work in {workspace}: revert when it is over")
        self.workspace = workspace
        self.thread_ids = thread_ids


@attrs.define(eq=False)
class _Turn:
    thread_id: ThreadId
    place: DirectoryPlace
    met: set[ThreadId]
    over: anyio.Event


class WorkspaceUse:
    """The turns at work and the reverts of one runtime."""

    def __init__(self) -> None:
        self._turns: dict[TurnId, _Turn] = {}
        self._reverts: dict[ThreadId, tuple[DirectoryPlace, anyio.Event]] = {}

    async def begin_turn(self, thread_id: ThreadId, turn_id: TurnId, workspace: Path) -> None:
        """The turn is at work from now on. Waits while a revert holds the workspace."""
        place = await in_thread(DirectoryPlace.of, workspace)
        while (over := self._revert_in(place, thread_id)) is not None:
            await over.wait()
        self.end_turn(turn_id)
        turn = _Turn(thread_id, place, set(), anyio.Event())
        for other in self._turns_in(place, thread_id):
            turn.met.add(other.thread_id)
            other.met.add(thread_id)
        self._turns[turn_id] = turn

    def end_turn(self, turn_id: TurnId) -> frozenset[ThreadId]:
        """The turn is no longer at work. Returns the threads whose turns it met. Does nothing if it was not at work."""
        turn = self._turns.pop(turn_id, None)
        if turn is None:
            return frozenset()
        turn.over.set()
        return frozenset(turn.met)

    def met(self, turn_id: TurnId) -> frozenset[ThreadId]:
        """The threads whose turns were at work in the same workspace while this turn was."""
        turn = self._turns.get(turn_id)
        return frozenset() if turn is None else frozenset(turn.met)

    @asynccontextmanager
    async def revert(self, thread_id: ThreadId, workspace: Path, *, waits: bool) -> AsyncIterator[None]:
        """Hold the workspace for a revert of the thread. Waits for other reverts; for turns only if `waits`.

        Raises:
            WorkspaceBusy: another thread's turn is at work.
        """
        place = await in_thread(DirectoryPlace.of, workspace)
        while True:
            over = self._revert_in(place, thread_id)
            others = list(self._turns_in(place, thread_id))
            if over is None and others and not waits:
                raise WorkspaceBusy(workspace, frozenset(other.thread_id for other in others))
            if over is None and others:
                over = others[0].over
            if over is None:
                break
            await over.wait()
        done = anyio.Event()
        self._reverts[thread_id] = (place, done)
        try:
            yield
        finally:
            del self._reverts[thread_id]
            done.set()

    def _revert_in(self, place: DirectoryPlace, besides: ThreadId) -> anyio.Event | None:
        for thread_id, (held, over) in self._reverts.items():
            if thread_id != besides and held.overlaps(place):
                return over
        return None

    def _turns_in(self, place: DirectoryPlace, besides: ThreadId) -> Iterator[_Turn]:
        for turn in self._turns.values():
            if turn.thread_id != besides and turn.place.overlaps(place):
                yield turn
