"""The diffs of a turn that is over: its own, and that of everything since the first turn began."""

from __future__ import annotations

import attrs
import peewee

from ...contracts.ids import ThreadId
from ...contracts.mint import Mint
from ...persistence.diff_blobs import DiffBlobRow, put_diff
from ...persistence.lane import WriteLane
from ...persistence.single_write import write_alone
from .git import Capture, GitWorkspace, RefNames, SkippedPaths, WorkspaceDiff


@attrs.frozen(kw_only=True)
class TurnChanges:
    """What a turn changed: its own diff, and the texts to keep, by the turn count from which each goes.

    `skipped` is what the capture of its start or of its end could not take in.
    """

    own: WorkspaceDiff
    texts: dict[int, str]
    skipped: SkippedPaths


class TurnDiffs:
    """Compares turns' captures and makes the diffs durable. Doing it again gives the same rows."""

    def __init__(self, lane: WriteLane, mint: Mint, names: RefNames) -> None:
        self._lane = lane
        self._mint = mint
        self._names = names

    async def compare(
        self, workspace: GitWorkspace, thread_id: ThreadId, turn_count: int, *, baseline: Capture, end: Capture
    ) -> TurnChanges:
        """The turn's diff and, from the second turn on, the one since the first turn's start, if that was here.

        Raises:
            CaptureFailed: git could not compare the captures.
        """
        own = await workspace.diff(baseline, end)
        texts = {turn_count - 1: own.text}
        first = None if turn_count == 1 else await workspace.existing(self._names.baseline(thread_id, 1))
        if first is not None and first.place == end.place:
            texts[0] = (await workspace.diff(first, end)).text
        return TurnChanges(own=own, texts=texts, skipped=baseline.skipped | end.skipped)

    async def store(self, thread_id: ThreadId, turn_count: int, changes: TurnChanges) -> None:
        """Store a turn's diffs in one write.

        Raises:
            StoreError: they were not stored.
        """
        now = self._mint.now()

        def write(database: peewee.SqliteDatabase) -> None:
            for start, text in changes.texts.items():
                put_diff(database, DiffBlobRow(thread_id, start, turn_count, text, now))

        await self._lane.run(lambda database: write_alone(database, write, durability="full"))
