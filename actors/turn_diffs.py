"""The diffs of a turn that is over: its own, and that of everything since the first turn began."""

from __future__ import annotations

import peewee

from ..persistence.diff_blobs import DiffBlobRow, put_diff
from ..persistence.lane import WriteLane
from ..persistence.single_write import write_alone
from ..runtime.contracts.ids import ThreadId
from .minting import Mint
from .workspace import Capture, GitWorkspace, WorkspaceDiff, baseline_ref


class TurnDiffs:
    """Makes turns' diffs durable. Doing it again gives the same rows."""

    def __init__(self, lane: WriteLane, mint: Mint) -> None:
        self._lane = lane
        self._mint = mint

    async def store(
        self, workspace: GitWorkspace, thread_id: ThreadId, turn_count: int, *, baseline: Capture, end: Capture
    ) -> WorkspaceDiff:
        """Store the turn's diff and, from the second turn on, the one since the first turn's start, in one write.

        Raises:
            CaptureFailed: git could not compare the captures.
            StoreError: they were not stored.
        """
        diff = await workspace.diff(baseline, end)
        texts = {turn_count - 1: diff.text}
        first = None if turn_count == 1 else await workspace.existing(baseline_ref(thread_id, 1))
        if first is not None:
            texts[0] = (await workspace.diff(first, end)).text
        now = self._mint.now()

        def write(database: peewee.SqliteDatabase) -> None:
            for start, text in texts.items():
                put_diff(database, DiffBlobRow(thread_id, start, turn_count, text, now))

        await self._lane.run(lambda database: write_alone(database, write, durability="full"))
        return diff
