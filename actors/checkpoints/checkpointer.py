"""The checkpointer: what each turn did to its workspace, captured beside the session.

- Captures of one thread run in the order they were asked for: a turn's hand-over waits for the end of the turn before
  and for its own baseline, nothing else waits. Captures of one thread cost the others nothing.
- What belongs to a turn is the difference from its own baseline to its own end. Edits made between turns are not
  attributed to any turn; where turns of several threads work in one workspace, the history of each names the others.
- Every turn that is over has a checkpoint: `ready`, `error` where a capture failed, or `missing` where a host stopped
  before the end was captured. An end is never captured late: after a crash a ref that is there is used.
- A capture has a budget. `health()` shows each running capture with its step; one over its budget is given up.
- What a capture had to leave out is reported with the turn's checkpoint. Every `error` has its reason in the history.
- A diff is durable before the event that relies on it. Doing a capture again gives the same refs, diff and event.
- Where there is no git program there are no checkpoints, this is reported once, and the session continues.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from ...contracts.errors import OrchestrionError, RuntimeFailed, RuntimeStopped
from ...contracts.ids import ThreadId, TurnId
from ...contracts.mint import Mint
from ...contracts.provider_events import CheckpointCaptured
from ...contracts.values import CheckpointStatus, Count
from ...domain.ingest import checkpoint_commands
from ...persistence.crash_points import crash_point
from ...persistence.lane import WriteLane
from ..log.command_sender import CommandSender
from .adoption import Adoption
from .capture_notes import CaptureNotes
from .captures_under_way import CaptureBudget, CaptureHealth, CapturesUnderWay
from .git import (
    Capture,
    CaptureFailed,
    GitUnavailable,
    GitWorkspace,
    RefNames,
    deadline,
)
from .turn_diffs import TurnChanges, TurnDiffs
from .turn_workspace import TurnWorkspace
from .workspace_use import WorkspaceUse

MAILBOX_CAPTURES: Final = 64

_SENDER: Final = "checkpoint"

_logger = logging.getLogger(__name__)


class Checkpointer:
    """Captures workspaces at turns' starts and ends. Owns the order of captures of each thread."""

    def __init__(
        self,
        lane: WriteLane,
        sender: CommandSender,
        mint: Mint,
        use: WorkspaceUse,
        *,
        database: Path,
        names: RefNames,
        budget: CaptureBudget,
    ) -> None:
        self._diffs = TurnDiffs(lane, mint, names)
        self._names = names
        self._adoption = Adoption(lane, names)
        self._notes = CaptureNotes(sender, mint)
        self._sender = sender
        self._mint = mint
        self._use = use
        self._database = database
        self._budget = budget
        self._under_way = CapturesUnderWay()
        self._send, self._receive = anyio.create_memory_object_stream[tuple[TurnWorkspace, anyio.Event, anyio.Event]](
            MAILBOX_CAPTURES
        )
        self._last: dict[ThreadId, anyio.Event] = {}
        self._tidying: anyio.CancelScope | None = None
        self._is_closed = False
        self._without_start: set[TurnId] = set()
        self._left: list[tuple[TurnWorkspace, anyio.Event, anyio.Event]] = []

    def health(self) -> tuple[CaptureHealth, ...]:
        """The captures that are under way, or wait for their turn."""
        return self._under_way.health()

    def settle_first(self, turns: Sequence[TurnWorkspace]) -> None:
        """Turns that a dead host left without a checkpoint: `run` settles them before any capture of their threads."""
        self._left = [(turn, *self._queue(turn.thread_id)) for turn in turns]

    async def capture_baseline(self, turn: TurnWorkspace) -> None:
        """Capture the workspace as the turn finds it, after the thread's captures asked for before.

        One that an attempt to start the turn left is replaced: what changed since belongs to no turn.
        From now on the turn is at work in the workspace, until its end is captured or `forget` is called. Waits while
        a revert holds the workspace. A failure is reported in the thread and does not keep the turn from running.
        Cancelled, the captures asked for before still come first.
        """
        self._without_start.discard(turn.turn_id)
        before, done = self._queue(turn.thread_id)
        try:
            with self._under_way.begin(turn, "start") as capture:
                await before.wait()
                await self._use.begin_turn(turn.thread_id, turn.turn_id, turn.path)
                capture.step = "recording"
                with deadline("capture", turn.path, self._budget.start):
                    workspace = await self._open(turn)
                    await self._adoption.adopt(workspace, turn.thread_id)
                    start = self._names.baseline(turn.thread_id, turn.turn_count)
                    await workspace.capture(start, _before(turn), anew=True)
        except GitUnavailable as error:
            await self._notes.no_git(turn, error)
        except (OrchestrionError, OSError) as error:
            self._without_start.add(turn.turn_id)
            await self._notes.capture_failed(turn, "start", error)
        except BaseException:
            self.forget(turn)
            raise
        finally:
            self._dequeue(turn.thread_id, before, done)

    def forget(self, turn: TurnWorkspace) -> None:
        """The turn does not run after all: it is not at work in its workspace."""
        self._without_start.discard(turn.turn_id)
        self._use.end_turn(turn.turn_id)

    async def capture_end(self, turn: TurnWorkspace) -> None:
        """Ask for the workspace to be captured as the turn leaves it. Returns once its place in the order is taken."""
        before, done = self._queue(turn.thread_id)
        try:
            await self._send.send((turn, before, done))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):  # the next start reports that it is missing
            self._dequeue(turn.thread_id, before, done)
        except BaseException:
            self._dequeue(turn.thread_id, before, done)
            raise

    async def settled(self, thread_id: ThreadId) -> None:
        """Wait until the thread's captures that were asked for are done."""
        last = self._last.get(thread_id)
        if last is not None:
            await last.wait()

    def close(self) -> None:
        """Take no more captures; those asked for are done. Packing ends."""
        self._is_closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        self._send.close()

    def abandon(self) -> None:
        """Take no more captures and forget those asked for: `run` has been cancelled."""
        self._send.close()
        self._receive.close()

    async def run(self) -> None:
        """Do captures, those of different threads side by side, until closed."""
        async with anyio.create_task_group() as captures:
            left, self._left = self._left, []
            for turn, before, done in left:
                captures.start_soon(self._settle, turn, before, done)
            await self._serve(captures)

    async def _serve(self, captures: TaskGroup) -> None:
        async for turn, before, done in self._receive:
            captures.start_soon(self._capture_and_tidy, turn, before, done)
        self._receive.close()

    async def _capture_and_tidy(self, turn: TurnWorkspace, before: anyio.Event, done: anyio.Event) -> None:
        """Capture the turn's end, then pack a shadow repository that has grown. No turn waits for that."""
        workspace = await self._capture_end(turn, before, done)
        if workspace is None or self._tidying is not None or self._is_closed:
            return
        try:
            with anyio.CancelScope() as self._tidying:
                await workspace.tidy()
        except OrchestrionError as error:
            _logger.warning("the captures of %s are not packed: %s", turn.path, error, extra=_ids(turn))
        finally:
            self._tidying = None

    async def _capture_end(self, turn: TurnWorkspace, before: anyio.Event, done: anyio.Event) -> GitWorkspace | None:
        """Capture the turn's end; the workspace, where that was done."""
        captured: GitWorkspace | None = None
        try:
            with self._under_way.begin(turn, "end") as capture:
                await before.wait()
                capture.step = "recording"
                with deadline("capture", turn.path, self._budget.end):
                    workspace = await self._open(turn)
                    end = await workspace.capture(self._names.turn(turn.thread_id, turn.turn_count), _after(turn))
                    crash_point("checkpoint.end-captured")
                    met = self._use.met(turn.turn_id)
                    capture.step = "comparing"
                    changes = await self._compare(workspace, turn, end)
                capture.step = "reporting"
                await self._report_end(turn, end, changes)
                await self._notes.workspace_shared(turn, met)
                captured = workspace
        except GitUnavailable:
            _logger.info("turn %s of thread %s has no checkpoint: no git program", turn.turn_id, turn.thread_id)
        except (RuntimeStopped, RuntimeFailed) as error:
            _logger.warning("the checkpoint of turn %s is not reported: %s", turn.turn_id, error, extra=_ids(turn))
        except Exception as error:
            if turn.turn_id not in self._without_start:
                await self._notes.capture_failed(turn, "end", error)
            await self._report_without_diff(turn, "error")
        finally:
            self._without_start.discard(turn.turn_id)
            self._use.end_turn(turn.turn_id)
            self._dequeue(turn.thread_id, before, done)
        return captured

    async def _settle(self, turn: TurnWorkspace, before: anyio.Event, done: anyio.Event) -> None:
        """Report what a dead host had captured of a turn's end, or that it had not."""
        try:
            with self._under_way.begin(turn, "end") as capture:
                await before.wait()
                capture.step = "comparing"
                with deadline("capture", turn.path, self._budget.end):
                    workspace = await self._open(turn)
                    end = await workspace.find(self._names.turn(turn.thread_id, turn.turn_count), _after(turn))
                    changes = None if end is None else await self._compare(workspace, turn, end)
                capture.step = "reporting"
                if end is not None:
                    await self._report_end(turn, end, changes)
                else:
                    await self._report_without_diff(turn, "missing")
        except GitUnavailable:
            _logger.info("turn %s of thread %s has no checkpoint: no git program", turn.turn_id, turn.thread_id)
        except (RuntimeStopped, RuntimeFailed) as error:
            _logger.warning("the checkpoint of turn %s is not reported: %s", turn.turn_id, error, extra=_ids(turn))
        except Exception as error:
            _logger.warning(
                "turn %s of thread %s: %s", turn.turn_id, turn.thread_id, error, exc_info=error, extra=_ids(turn)
            )
            await self._report_without_diff(turn, "missing")
        finally:
            self._dequeue(turn.thread_id, before, done)

    async def _open(self, turn: TurnWorkspace) -> GitWorkspace:
        workspace = await GitWorkspace.open(turn.path, database=self._database)
        if workspace is None:
            raise CaptureFailed("open", turn.path, "it is no directory, or lies inside a git directory")
        return workspace

    async def _compare(self, workspace: GitWorkspace, turn: TurnWorkspace, end: Capture) -> TurnChanges | None:
        """What the turn changed; None where its start was not captured."""
        baseline = await workspace.find(self._names.baseline(turn.thread_id, turn.turn_count), _before(turn))
        if baseline is None:
            return None
        return await self._diffs.compare(workspace, turn.thread_id, turn.turn_count, baseline=baseline, end=end)

    async def _report_end(self, turn: TurnWorkspace, end: Capture, changes: TurnChanges | None) -> None:
        """Make the turn's diffs durable, then say that its checkpoint is ready."""
        if changes is None:
            if turn.turn_id not in self._without_start:  # whose failure was reported when the turn started
                await self._notes.start_missing(turn)
            await self._report_without_diff(turn, "error")
            return
        await self._notes.capture_skipped(turn, changes.skipped)
        await self._diffs.store(turn.thread_id, turn.turn_count, changes)
        diff = changes.own
        crash_point("checkpoint.diff-stored")
        captured = CheckpointCaptured(
            turn_id=turn.turn_id,
            turn_count=Count(turn.turn_count),
            ref=end.ref,
            status="ready",
            files=diff.files,
            summary=_summary(turn, changes),
        )
        for command in checkpoint_commands(turn.thread_id, _SENDER, captured, self._mint.now()):
            await self._sender.send(command, correlation_id=turn.correlation_id)
            crash_point("checkpoint.reported")

    async def _report_without_diff(self, turn: TurnWorkspace, status: CheckpointStatus) -> None:
        """Say that the turn has no diff; the ref names where its end would have been kept."""
        missing = CheckpointCaptured(
            turn_id=turn.turn_id,
            turn_count=Count(turn.turn_count),
            ref=self._names.turn(turn.thread_id, turn.turn_count),
            status=status,
            files=(),
            summary=f"The end of turn {turn.turn_count} was not captured: the host stopped before",
        )
        completed, noted = checkpoint_commands(turn.thread_id, _SENDER, missing, self._mint.now())
        try:
            for command in (completed, noted) if status == "missing" else (completed,):
                await self._sender.send(command, correlation_id=turn.correlation_id)
        except OrchestrionError as failure:
            _logger.warning("turn %s of thread %s: %s", turn.turn_id, turn.thread_id, failure, extra=_ids(turn))

    def _queue(self, thread_id: ThreadId) -> tuple[anyio.Event, anyio.Event]:
        """Take the next place in the thread's order: what to wait for, and what to set when done."""
        before, done = self._last.get(thread_id), anyio.Event()
        self._last[thread_id] = done
        if before is None:
            before = anyio.Event()
            before.set()
        return before, done

    def _dequeue(self, thread_id: ThreadId, before: anyio.Event, done: anyio.Event) -> None:
        """Leave the thread's order. Who was cancelled before its turn came leaves its place to who came before."""
        done.set()
        if self._last.get(thread_id) is done:
            if before.is_set():
                del self._last[thread_id]
            else:
                self._last[thread_id] = before


def _ids(turn: TurnWorkspace) -> dict[str, object]:
    """What a log record about a turn carries."""
    return {"thread_id": turn.thread_id, "turn_id": turn.turn_id}


def _before(turn: TurnWorkspace) -> str:
    return f"before turn {turn.turn_id}"


def _after(turn: TurnWorkspace) -> str:
    return f"after turn {turn.turn_id}"


def _summary(turn: TurnWorkspace, changes: TurnChanges) -> str:
    diff, unknown = changes.own, len(changes.skipped.unknown)
    count = diff.changed_files
    listed = "" if count == len(diff.files) else f", of which {len(diff.files)} are listed"
    noted = f", {diff.noted_files} too large to keep" if diff.noted_files else ""
    cut = ", its diff is cut" if diff.is_cut else ""
    partial = f"; {unknown} {'path' if unknown == 1 else 'paths'} could not be captured" if unknown else ""
    return f"Turn {turn.turn_count} changed {count} {'file' if count == 1 else 'files'}{listed}{noted}{cut}{partial}"
