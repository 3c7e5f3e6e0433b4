"""What a host reads of an open database: snapshots, diffs, the log, and what a revert would do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, get_args, overload

import attrs

from ..actors.checkpoints.git import RefNames
from ..actors.checkpoints.others_work import preview_revert
from ..actors.log.event_log import PAGE_EVENTS, EventLog
from ..actors.log.subscriptions import Subscription
from ..actors.projecting.projectors import Projectors
from ..actors.projecting.snapshot_stream import SnapshotStream
from ..contracts.errors import InvalidRequest, ProjectionStalled, TurnDiffNotFound
from ..contracts.events import LoggedEvent
from ..contracts.ids import ThreadId, TurnId
from ..contracts.read_model import (
    MAX_REPLAYED_EVENTS,
    AttachmentContent,
    FullSnapshot,
    ReplayPage,
    Snapshot,
    SnapshotDetail,
    SnapshotRequest,
    TurnDiff,
    TurnDiffRequest,
)
from ..contracts.revert_preview import RevertPreview
from ..contracts.scalars import MAX_JSON_INTEGER
from ..contracts.values import UNSET, Count, Unset
from ..persistence.diff_blobs import find_diff
from ..persistence.event_store import EventPage
from ..persistence.identity import read_identity
from ..persistence.readers import ReaderPool
from ..persistence.revert_rows import read_revert_facts
from ..persistence.snapshot import read_cut, read_outline, read_snapshot
from ..persistence.turn_places import TurnPlace, find_turn
from .attachments import read_attachment


class Reads:
    """The reading half of a `Runtime`. Reads raise `RuntimeStopped` once the runtime has stopped."""

    def __init__(self, log: EventLog, projectors: Projectors, readers: ReaderPool) -> None:
        self._log = log
        self._projectors = projectors
        self._readers = readers

    @overload
    async def get_snapshot(
        self, *, thread_id: str | Unset = UNSET, detail: Literal["full"] = "full", allow_stalled: bool = False
    ) -> FullSnapshot: ...

    @overload
    async def get_snapshot(
        self, *, thread_id: str | Unset = UNSET, detail: SnapshotDetail, allow_stalled: bool = False
    ) -> Snapshot: ...

    async def get_snapshot(
        self, *, thread_id: str | Unset = UNSET, detail: SnapshotDetail = "full", allow_stalled: bool = False
    ) -> Snapshot:
        """The read model at one sequence, at least the log's head when asked.

        Every event after `snapshot_sequence` applies to it exactly once. With `allow_stalled`, a projector that has
        halted does not fail the snapshot: the rows come as they are, and `health` names the projectors that are behind.

        Raises:
            InvalidRequest: `detail` is neither full nor summary.
            NotFound: the thread never existed.
            ProjectionStalled: a projector has halted, or keeps retrying; names it.
        """
        if detail not in get_args(SnapshotDetail):
            raise InvalidRequest("detail", f"expected one of {', '.join(get_args(SnapshotDetail))}, found {detail!r}")
        named = thread_id if isinstance(thread_id, Unset) else ThreadId(thread_id)
        request = SnapshotRequest(thread_id=named, detail=detail)
        try:
            async with self._projectors.cut(read_cut) as (pinned, _):
                return await pinned.run(lambda database: read_snapshot(database, request))
        except ProjectionStalled:
            if not allow_stalled:
                raise
        async with self._readers.pinned(read_cut) as (pinned, _):
            return await pinned.run(lambda database: read_snapshot(database, request))

    @asynccontextmanager
    async def stream_snapshot(self) -> AsyncIterator[SnapshotStream]:
        """The whole snapshot with its threads read a few at a time, as they are iterated: memory does not grow with it.

            async with runtime.stream_snapshot() as snapshot:
                async for thread in snapshot: ...

        Raises:
            ProjectionStalled: a projector has halted, or keeps retrying; names it.
        """
        async with self._projectors.cut(read_outline) as (pinned, outline):
            yield SnapshotStream(pinned, outline)

    async def preview_revert(self, thread_id: str, turn_count: int) -> RevertPreview:
        """What `thread.checkpoint.revert` to the end of turn `turn_count` would do to the workspace's files now.

        Names what is not of the thread's own turns: the command is refused while there is some, unless it has
        `revert_others`. Looks at the workspace at the moment of the call; nothing of it is changed.

        Raises:
            InvalidRequest: the count is negative.
            NotFound: the thread does not exist, the workspace is not there, or the state was not captured.
            RestoreRefused: files would be lost, with any command.
            CaptureFailed: git cannot capture the workspace or compare captures.
            GitUnavailable: there is no git program.
            RuntimeStopped: the runtime has stopped.
            StoreError: the database cannot be read.
        """
        if not 0 <= turn_count <= MAX_JSON_INTEGER:
            raise InvalidRequest("turnCount", f"expected 0 to {MAX_JSON_INTEGER}, found {turn_count}")
        path = self._readers.path
        facts, identity = await self._readers.run(
            lambda database: (
                read_revert_facts(database, ThreadId(thread_id), turn_count),
                read_identity(database, path),
            )
        )
        own = identity.id if identity is not None and identity.is_here else None
        return await preview_revert(facts, names=RefNames(database=own), database=path)

    async def get_turn_diff(self, thread_id: str, from_turn_count: int, to_turn_count: int) -> TurnDiff:
        """The workspace's unified diff between the ends of two turns; "" where they are the same turn.

        Raises:
            InvalidRequest: a count is negative, or the range runs backwards.
            TurnDiffNotFound: no diff is stored for the range.
        """
        if not 0 <= from_turn_count <= to_turn_count <= MAX_JSON_INTEGER:
            raise InvalidRequest(
                "fromTurnCount", f"expected 0 to toTurnCount, found {from_turn_count} with toTurnCount {to_turn_count}"
            )
        named = ThreadId(thread_id)
        request = TurnDiffRequest(thread_id=named, from_turn_count=from_turn_count, to_turn_count=to_turn_count)
        diff: str | None = ""
        if from_turn_count < to_turn_count:
            diff = await self._readers.run(lambda database: find_diff(database, request))
        if diff is None:
            raise TurnDiffNotFound(named, from_turn_count, to_turn_count)
        return TurnDiff(
            thread_id=named,
            from_turn_count=Count(from_turn_count),
            to_turn_count=Count(to_turn_count),
            diff=diff,
        )

    async def get_attachment(self, digest: str, thread_id: str | None = None) -> AttachmentContent:
        """The bytes of a stored attachment, by the digest that messages and activities name.

        With `thread_id`, only if an event of that thread refers to it. Where several refer to it, under other names,
        the name and the type are those of one of them; of one thread's, those of the first.

        Raises:
            InvalidRequest: the digest is none.
            NotFound: the thread never existed, or no event refers to the attachment.
            AttachmentUnreadable: its file is missing or damaged.
            StoreError: the database or the file cannot be read.
        """
        thread = None if thread_id is None else ThreadId(thread_id)
        if thread is not None:
            await self._log.check_thread(thread)
        return await read_attachment(self._readers, digest, thread)

    async def replay_events(
        self, from_sequence_exclusive: int, thread_id: str | None = None
    ) -> AsyncIterator[LoggedEvent]:
        """Every event after a sequence up to the log's head at the first step, in order, read page by page.

        With `thread_id`, that thread's events alone, found by their index.

        Raises:
            InvalidRequest: the sequence is negative.
            SequenceAheadOfLog: the sequence is beyond the head.
            NotFound: the thread never existed.
        """
        _check_sequence(from_sequence_exclusive)
        named = None if thread_id is None else ThreadId(thread_id)
        if named is not None:
            await self._log.check_thread(named)
        page = EventPage(after=from_sequence_exclusive, limit=PAGE_EVENTS, up_to=self._log.head, thread_id=named)
        has_more = True
        while has_more:
            read = await self._log.read_page(page)
            for event in read.events:
                yield event
                page = attrs.evolve(page, after=event.sequence)
            has_more = read.has_more

    async def read_events(
        self, from_sequence_exclusive: int, *, limit: int = PAGE_EVENTS, thread_id: str | None = None
    ) -> ReplayPage:
        """One page of the log, of one thread or of all: at most `limit` events, cut after 8 MiB of payload.

        It has at least one event where there is one. The next page begins after its last event.

        Raises:
            InvalidRequest: the sequence is negative, or the limit is not from 1 to 10,000.
            SequenceAheadOfLog: the sequence is beyond the head.
            NotFound: the thread never existed.
        """
        _check_sequence(from_sequence_exclusive)
        if not 1 <= limit <= MAX_REPLAYED_EVENTS:
            raise InvalidRequest("limit", f"expected 1 to {MAX_REPLAYED_EVENTS}, found {limit}")
        named = None if thread_id is None else ThreadId(thread_id)
        if named is not None:
            await self._log.check_thread(named)
        read = await self._log.read_page(EventPage(after=from_sequence_exclusive, limit=limit, thread_id=named))
        return ReplayPage(events=tuple(read.events), has_more=read.has_more)

    def subscribe(self, from_sequence_exclusive: int, thread_id: str | None = None) -> Subscription:
        """Every event after a sequence, and those still to come, once and in order; of one thread or of all.

        Entering the subscription of a thread that never existed, or its first step, raises `NotFound`.

        Raises:
            InvalidRequest: the sequence is negative.
            SequenceAheadOfLog: the sequence is beyond the head.
        """
        _check_sequence(from_sequence_exclusive)
        return Subscription(self._log, from_sequence_exclusive, None if thread_id is None else ThreadId(thread_id))

    async def find_turn(self, turn_id: TurnId) -> TurnPlace:
        """The thread of a turn, and where in the log it begins.

        Raises:
            NotFound: there is no such turn.
        """
        return await self._readers.run(lambda database: find_turn(database, turn_id))


def _check_sequence(sequence: int) -> None:
    if sequence < 0:
        raise InvalidRequest("fromSequenceExclusive", f"expected 0 or more, found {sequence}")
