"""The runtime as a host sees it: commands in, reads out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import attrs

from ..actors.checkpoints.git import RefNames
from ..actors.checkpoints.others_work import preview_revert
from ..actors.log.dispatcher import Dispatcher, Submission
from ..actors.log.event_log import PAGE_EVENTS, EventLog
from ..actors.log.subscriptions import Subscription
from ..actors.projecting.projectors import Projectors
from ..actors.projecting.rebuilder import Rebuilder
from ..actors.projecting.snapshot_stream import SnapshotStream
from ..contracts.admission import admit
from ..contracts.commands import Command
from ..contracts.errors import InvalidRequest, ProjectionStalled, TurnDiffNotFound
from ..contracts.events import LoggedEvent
from ..contracts.ids import ThreadId, TurnId
from ..contracts.read_model import (
    MAX_REPLAYED_EVENTS,
    DispatchResult,
    ReplayPage,
    Snapshot,
    SnapshotDetail,
    SnapshotRequest,
    TurnDiff,
    TurnDiffRequest,
)
from ..contracts.revert_preview import RevertPreview
from ..contracts.scalars import MAX_JSON_INTEGER
from ..contracts.values import UNSET, ActorKind, Count, Unset
from ..persistence.bootstrap import ProgressListener
from ..persistence.command_envelope import CommandEnvelope
from ..persistence.diff_blobs import find_diff
from ..persistence.event_store import EventPage
from ..persistence.identity import read_identity
from ..persistence.readers import ReaderPool
from ..persistence.revert_rows import read_revert_facts
from ..persistence.snapshot import read_cut, read_outline, read_snapshot
from ..persistence.turn_places import TurnPlace, find_turn
from .handles import OnApproval, ThreadHandle, ThreadOpener, TurnHandle, follow_found
from .health import Health, HealthSource
from .rpc import Method, handle


class Runtime:
    """An open database with everything that runs on it. Made by `open_runtime`; its methods may be called by any task.

    Once the runtime has stopped, commands and reads raise `RuntimeStopped`. Once it has failed, commands raise
    `RuntimeFailed`, and reads go on.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        log: EventLog,
        projectors: Projectors,
        readers: ReaderPool,
        *,
        rebuilder: Rebuilder,
        health: HealthSource,
    ) -> None:
        self._dispatcher = dispatcher
        self._log = log
        self._projectors = projectors
        self._readers = readers
        self._rebuilder = rebuilder
        self._health = health
        self._opener = ThreadOpener(self)

    async def submit(
        self, command: Command, *, actor: ActorKind = "client", expected_version: int | None = None
    ) -> Submission:
        """Put a command into the mailbox, behind every command submitted before, and return at once.

        Waits while the mailbox is full. `await submission.result()` gives the outcome; whether it is awaited or not,
        the command is handled. Cancelled while it waits, the command's outcome is unknown until it is sent again.

        Raises:
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was submitted.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        return await self._dispatcher.submit(_envelope(command, actor, expected_version))

    def submit_nowait(
        self, command: Command, *, actor: ActorKind = "client", expected_version: int | None = None
    ) -> Submission:
        """Put a command into the mailbox as `submit` does, if there is room for it.

        Raises:
            Overloaded: the mailbox is full, or others wait for room already. Nothing was submitted.
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was submitted.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        return self._dispatcher.submit_nowait(_envelope(command, actor, expected_version))

    async def dispatch(
        self,
        command: Command,
        *,
        actor: ActorKind = "client",
        expected_version: int | None = None,
        wait_for: Collection[str] = (),
    ) -> DispatchResult:
        """Decide a command and commit its events; returns when they are durable.

        The same command may be sent again at any time: it is decided once and answered the same, `duplicate` set.
        `wait_for` names projectors whose rows are to show the events before this returns. Cancelled, the command's
        outcome is unknown until it is sent again.

        Raises:
            InvalidCommand: a field is at fault, or a client sent an internal command. Nothing was written.
            CommandRejected: the command breaches an invariant. The rejection is receipted.
            CommandIdReused: the id belongs to an accepted command with other content.
            ConcurrencyConflict: the stream is not at `expected_version`.
            InvalidRequest: a name in `wait_for` is no projector's. Nothing was written.
            ProjectionStalled: a projector in `wait_for` has halted; the command is accepted.
            StoreError: nothing was written, the same command may be sent again.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        self._projectors.check_names(wait_for)
        submission = await self.submit(command, actor=actor, expected_version=expected_version)
        result = await submission.result()
        if wait_for:
            await self._projectors.wait_until(result.sequence, wait_for)
        return result

    async def get_snapshot(
        self,
        *,
        thread_id: ThreadId | Unset = UNSET,
        detail: SnapshotDetail = "full",
        allow_stalled: bool = False,
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
        request = SnapshotRequest(thread_id=thread_id, detail=detail)
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

    async def preview_revert(self, thread_id: ThreadId, turn_count: int) -> RevertPreview:
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
            lambda database: (read_revert_facts(database, thread_id, turn_count), read_identity(database, path))
        )
        own = identity.id if identity is not None and identity.is_here else None
        return await preview_revert(facts, names=RefNames(database=own), database=path)

    async def get_turn_diff(self, thread_id: ThreadId, from_turn_count: int, to_turn_count: int) -> TurnDiff:
        """The workspace's unified diff between the ends of two turns; "" where they are the same turn.

        Raises:
            InvalidRequest: a count is negative, or the range runs backwards.
            TurnDiffNotFound: no diff is stored for the range.
        """
        if not 0 <= from_turn_count <= to_turn_count <= MAX_JSON_INTEGER:
            raise InvalidRequest(
                "fromTurnCount", f"expected 0 to toTurnCount, found {from_turn_count} with toTurnCount {to_turn_count}"
            )
        request = TurnDiffRequest(thread_id=thread_id, from_turn_count=from_turn_count, to_turn_count=to_turn_count)
        diff: str | None = ""
        if from_turn_count < to_turn_count:
            diff = await self._readers.run(lambda database: find_diff(database, request))
        if diff is None:
            raise TurnDiffNotFound(thread_id, from_turn_count, to_turn_count)
        return TurnDiff(
            thread_id=thread_id,
            from_turn_count=Count(from_turn_count),
            to_turn_count=Count(to_turn_count),
            diff=diff,
        )

    async def replay_events(
        self, from_sequence_exclusive: int, thread_id: ThreadId | None = None
    ) -> AsyncIterator[LoggedEvent]:
        """Every event after a sequence up to the log's head at the first step, in order, read page by page.

        With `thread_id`, that thread's events alone, found by their index.

        Raises:
            InvalidRequest: the sequence is negative.
            SequenceAheadOfLog: the sequence is beyond the head.
            NotFound: the thread never existed.
        """
        _check_sequence(from_sequence_exclusive)
        if thread_id is not None:
            await self._log.check_thread(thread_id)
        page = EventPage(after=from_sequence_exclusive, limit=PAGE_EVENTS, up_to=self._log.head, thread_id=thread_id)
        has_more = True
        while has_more:
            read = await self._log.read_page(page)
            for event in read.events:
                yield event
                page = attrs.evolve(page, after=event.sequence)
            has_more = read.has_more

    async def read_events(
        self, from_sequence_exclusive: int, *, limit: int = PAGE_EVENTS, thread_id: ThreadId | None = None
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
        if thread_id is not None:
            await self._log.check_thread(thread_id)
        read = await self._log.read_page(EventPage(after=from_sequence_exclusive, limit=limit, thread_id=thread_id))
        return ReplayPage(events=tuple(read.events), has_more=read.has_more)

    def subscribe(self, from_sequence_exclusive: int, thread_id: ThreadId | None = None) -> Subscription:
        """Every event after a sequence, and those still to come, once and in order; of one thread or of all.

        Entering the subscription of a thread that never existed, or its first step, raises `NotFound`.

        Raises:
            InvalidRequest: the sequence is negative.
            SequenceAheadOfLog: the sequence is beyond the head.
        """
        _check_sequence(from_sequence_exclusive)
        return Subscription(self._log, from_sequence_exclusive, thread_id)

    async def wait_until_projected(self, sequence: int) -> None:
        """Wait until every projection shows the events up to `sequence`.

        Raises:
            ProjectionStalled: a projector has halted before it.
        """
        await self._projectors.wait_until(sequence)

    async def rebuild(self, projectors: Collection[str] = (), *, progress: ProgressListener | None = None) -> None:
        """Rebuild the rows of these projectors, of all by default, from the log, while everything else continues.

        Returns when each has swapped rows and position, in one separate transaction, and continues from there; one
        that had halted is live again. A second rebuild waits for the first. `progress` is called on the
        event loop after each page of the replay. Cancelled, or after an error, a projector that has not swapped keeps
        its old rows.

        Raises:
            InvalidRequest: a name is no projector's.
            ProjectionStalled: an event cannot be applied to the new rows.
            StoreError: the storage failed; where a commit failed, the old rows are there or the new ones.
            RuntimeStopped: the runtime is stopping.
        """
        await self._rebuilder.rebuild(projectors, progress=progress)

    async def open_thread(
        self,
        *,
        workspace: str | Path | None = None,
        thread_id: ThreadId | str | None = None,
        title: str | None = None,
        model: str | None = None,
        provider: str | None = None,
    ) -> ThreadHandle:
        """Go on with the thread `thread_id`, or make one whose agent works in `workspace`, in the project of it.

        A thread that is made has the given id or a new one. The project is the one of this directory; it is made where
        there is none.

        Raises:
            InvalidRequest: the workspace is no directory, is missing, or is not the one of the thread.
            NotFound: the thread was deleted, or there is none and no workspace to make it in.
        """
        named = None if thread_id is None else ThreadId(thread_id)
        return await self._opener.open(workspace, named, title=title, model=model, provider=provider)

    def turn(
        self, turn_id: TurnId | str, *, after: int = 0, on_approval: OnApproval | None = None
    ) -> AbstractAsyncContextManager[TurnHandle]:
        """Follow a turn that was asked for before, also by another runtime. `after` is the position to go on from.

        Raises:
            NotFound: there is no such turn; when the block is entered.
        """
        return follow_found(self, TurnId(turn_id), after=after, on_approval=on_approval)

    async def find_turn(self, turn_id: TurnId) -> TurnPlace:
        """The thread of a turn, and where in the log it begins.

        Raises:
            NotFound: there is no such turn.
        """
        return await self._readers.run(lambda database: find_turn(database, turn_id))

    def health(self) -> Health:
        """The runtime now: positions, lag, queue depths, sessions, captures, quarantined events, restarts."""
        return self._health.read()

    async def handle(self, method: Method | str, params: Mapping[str, Any]) -> dict[str, Any]:
        """An RPC by name, JSON data in and out: `{"result": …}`, or `{"error": {code, message, data}}`."""
        return await handle(self, method, params)


def _check_sequence(sequence: int) -> None:
    if sequence < 0:
        raise InvalidRequest("fromSequenceExclusive", f"expected 0 or more, found {sequence}")


def _envelope(command: Command, actor: ActorKind, expected_version: int | None) -> CommandEnvelope:
    return CommandEnvelope.of(admit(command, actor), actor, expected_version=expected_version)
