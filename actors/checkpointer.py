"""The checkpointer: what each turn did to its workspace, captured beside the session.

- Captures of one thread run in the order they were asked for: a turn's hand-over waits for the end of the turn before
  and for its own baseline, nothing else waits.
- A diff is durable before the event that relies on it. Doing a capture again gives the same refs, diff and event.
- A workspace that is no git repository has no checkpoints. A capture that fails is reported in the thread; the
  session goes on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import anyio
import attrs
import peewee
from anyio.abc import TaskGroup

from ..persistence.database import write_transaction
from ..persistence.diff_blobs import DiffBlobRow, put_diff
from ..persistence.lane import WriteLane
from ..runtime.contracts.commands import ThreadActivityAppend
from ..runtime.contracts.errors import OrchestrionError
from ..runtime.contracts.events import EventMetadata
from ..runtime.contracts.ids import ActivityId, CheckpointRef, CommandId, ThreadId, TurnId
from ..runtime.contracts.provider_events import CheckpointCaptured
from ..runtime.contracts.values import Activity, Count, Label
from ..runtime.domain.ingest import IngestedCommand, checkpoint_commands
from .minting import Mint
from .session_voice import SessionVoice
from .workspace import CaptureFailed, GitWorkspace, baseline_ref, checkpoint_ref

MAILBOX_CAPTURES: Final = 64

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class TurnWorkspace:
    """A turn and where it works."""

    thread_id: ThreadId
    turn_id: TurnId
    turn_count: int
    path: Path


class Checkpointer:
    """Captures workspaces at turns' starts and ends. Owns the order of captures of each thread."""

    def __init__(self, lane: WriteLane, voice: SessionVoice, mint: Mint) -> None:
        self._lane = lane
        self._voice = voice
        self._mint = mint
        self._send, self._receive = anyio.create_memory_object_stream[tuple[TurnWorkspace, anyio.Event, anyio.Event]](
            MAILBOX_CAPTURES
        )
        self._last: dict[ThreadId, anyio.Event] = {}

    async def capture_baseline(self, turn: TurnWorkspace) -> None:
        """Capture the workspace as the turn finds it, after the thread's captures asked for before.

        A failure is reported in the thread and does not keep the turn from running.
        """
        before, done = self._queue(turn.thread_id)
        try:
            await before.wait()
            workspace = await GitWorkspace.open(turn.path)
            if workspace is not None:
                ref = baseline_ref(turn.thread_id, turn.turn_count)
                await workspace.capture(ref, f"before turn {turn.turn_id}")
        except OrchestrionError as error:
            await self._report_failure(turn, "baseline", error)
        finally:
            self._dequeue(turn.thread_id, done)

    async def capture_end(self, turn: TurnWorkspace) -> None:
        """Ask for the workspace to be captured as the turn leaves it. Returns once its place in the order is taken."""
        before, done = self._queue(turn.thread_id)
        await self._send.send((turn, before, done))

    def close(self) -> None:
        """Take no more captures; those asked for are done."""
        self._send.close()

    async def run(self) -> None:
        """Do captures, those of different threads side by side, until closed."""
        async with anyio.create_task_group() as captures:
            await self._serve(captures)

    async def _serve(self, captures: TaskGroup) -> None:
        async for turn, before, done in self._receive:
            captures.start_soon(self._capture_end, turn, before, done)

    async def _capture_end(self, turn: TurnWorkspace, before: anyio.Event, done: anyio.Event) -> None:
        try:
            await before.wait()
            workspace = await GitWorkspace.open(turn.path)
            if workspace is not None:
                await self._capture_in(workspace, turn)
        except OrchestrionError as error:
            await self._report_failure(turn, "checkpoint", error)
        finally:
            self._dequeue(turn.thread_id, done)

    async def _capture_in(self, workspace: GitWorkspace, turn: TurnWorkspace) -> None:
        baseline = await workspace.existing(baseline_ref(turn.thread_id, turn.turn_count))
        if baseline is None:
            raise CaptureFailed(
                action="compare the turn's end with its start",
                directory=turn.path,
                fault="the start was not captured",
            )
        end = await workspace.capture(checkpoint_ref(turn.thread_id, turn.turn_count), f"after turn {turn.turn_id}")
        diff = await workspace.diff(baseline, end)
        await self._store_diff(turn, diff.text)
        captured = CheckpointCaptured(
            turn_id=turn.turn_id,
            turn_count=Count(turn.turn_count),
            ref=CheckpointRef(end.ref),
            status="ready",
            files=diff.files,
            summary=f"Turn {turn.turn_count} changed {len(diff.files)} {'file' if len(diff.files) == 1 else 'files'}",
        )
        for command in checkpoint_commands(turn.thread_id, "checkpoint/", captured, self._mint.now()):
            await self._voice.send(command)

    async def _store_diff(self, turn: TurnWorkspace, text: str) -> None:
        row = DiffBlobRow(turn.thread_id, turn.turn_count - 1, turn.turn_count, text, self._mint.now())

        def write(database: peewee.SqliteDatabase) -> None:
            with write_transaction(database, durability="full"):
                put_diff(database, row)

        await self._lane.run(write)

    async def _report_failure(self, turn: TurnWorkspace, what: str, error: OrchestrionError) -> None:
        _logger.warning("the %s of turn %s of thread %s failed: %s", what, turn.turn_id, turn.thread_id, error)
        now = self._mint.now()
        command_id = CommandId(f"checkpoint/{what}-failed/{turn.turn_id}")
        activity = Activity(
            id=ActivityId(command_id),
            tone="error",
            kind=Label("checkpoint.capture.failed"),
            summary=f"The {what} of turn {turn.turn_count} could not be captured",
            payload={"turnCount": turn.turn_count, "error": str(error)},
            turn_id=turn.turn_id,
            created_at=now,
        )
        command = ThreadActivityAppend(
            command_id=command_id, thread_id=turn.thread_id, activity=activity, created_at=now
        )
        await self._voice.send(IngestedCommand(command=command, metadata=EventMetadata()))

    def _queue(self, thread_id: ThreadId) -> tuple[anyio.Event, anyio.Event]:
        """Take the next place in the thread's order: what to wait for, and what to set when done."""
        before, done = self._last.get(thread_id), anyio.Event()
        self._last[thread_id] = done
        if before is None:
            before = anyio.Event()
            before.set()
        return before, done

    def _dequeue(self, thread_id: ThreadId, done: anyio.Event) -> None:
        done.set()
        if self._last.get(thread_id) is done:
            del self._last[thread_id]
