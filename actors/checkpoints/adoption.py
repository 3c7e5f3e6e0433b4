"""Captures of a thread under the names of another database are kept under this database's names too.

They are those of the first edition, whose names have no database, and in a copy of a database those that were captured
before it was copied. Which are the thread's, their messages say: they name turns, whose ids no other thread has.
"""

from __future__ import annotations

from functools import partial

from ...contracts.ids import ThreadId
from ...persistence.checkpoint_rows import KnownCaptures, read_known_captures
from ...persistence.lane import WriteLane
from .git import GitWorkspace, KeptRef, RefNames


class Adoption:
    """Looks through a thread's refs once in the life of a runtime, before its first capture."""

    def __init__(self, lane: WriteLane, names: RefNames) -> None:
        self._lane = lane
        self._names = names
        self._done: set[ThreadId] = set()

    async def adopt(self, workspace: GitWorkspace, thread_id: ThreadId) -> None:
        """Take the thread's captures in this workspace's repository under this database's names.

        Raises:
            CaptureFailed: git could not list or write refs.
            StoreError: the thread's turns cannot be read.
        """
        if self._names.database is None or thread_id in self._done:
            return
        foreign = await workspace.foreign_refs(self._names, thread_id)
        if foreign:
            known = await self._lane.run(partial(read_known_captures, thread_id=thread_id))
            await workspace.adopt(self._names, [kept for kept in foreign if is_known(kept, known)])
        self._done.add(thread_id)


def is_known(kept: KeptRef, known: KnownCaptures) -> bool:
    """Whether a capture is one of the thread's in this database, whatever its ref is called."""
    if kept.name.turn_count is None:
        return kept.name.name.partition(".")[0] in known.requests
    kind, _, turn_id = kept.message.partition(" turn ")
    return kind == ("before" if kept.name.kind == "baseline" else "after") and turn_id in known.turns
