"""The reverter: takes a thread's workspace and its agent's conversation back to the end of an earlier turn.

- Refused before anything is touched: the target was not captured, another thread's turn is at work in the workspace,
  the agent cannot follow and the host does not let it start afresh, files would be lost, or changes that are not of the
  thread's turns would be undone and the command does not allow it. Threads whose changes are undone get an activity.
- Then: what stands in the workspace is kept under the revert's safety ref, files are put back, the agent follows, and
  one transaction appends `thread.reverted`, settles the request and removes the diffs of the turns that are gone.
- The safety ref is the journal, keyed by the request: while a request is open and its ref is there, the revert is
  done again from the start, each step to the same absolute target. What cannot be finished is undone and reported.

The thread's own worker performs it, so no turn of the thread runs meanwhile. The file is longer than others: it is one
sequence of steps, with the error of each.
"""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

import attrs

from ...contracts.commands import ThreadRevertComplete
from ...contracts.errors import NotFound, OrchestrionError, ProviderError
from ...contracts.events import NO_METADATA, PersistedEvent, ThreadCheckpointRevertRequested
from ...contracts.ids import CheckpointRef, CommandId, ThreadId, TurnId, runtime_id
from ...contracts.mint import Mint
from ...contracts.read_model import ThreadView
from ...contracts.revert_preview import SHOWN_PATHS, RevertPreview, undone_payload
from ...contracts.values import Count, JsonObject
from ...domain.session_commands import IngestedCommand
from ...persistence.crash_points import crash_point
from ...persistence.readers import ReaderPool
from ...persistence.revert_rows import RevertFacts, read_revert_facts
from ..log.command_sender import CommandSender
from ..log.intent_notes import IntentNotes
from ..log.thread_lines import thread_line
from ..shields import shield
from .git import (
    Capture,
    CaptureFailed,
    GitUnavailable,
    GitWorkspace,
    RefNames,
    RestoreFailed,
    RestoreForecast,
    RestoreRefused,
)
from .others_work import RevertUndoesOthers, find_target, others_work, state_of, touched_since
from .workspace_use import WorkspaceBusy, WorkspaceUse

RevertPolicy: TypeAlias = Literal["start-afresh", "refuse"]
"""What a revert does with an agent that cannot roll its conversation back."""

Following: TypeAlias = Literal["rolls-back", "starts-afresh", "as-it-is"]
"""How an agent follows a revert; `as-it-is`: it has nothing to forget."""

_FIRST_EDITION: Final = RefNames()

_logger = logging.getLogger(__name__)


class RevertedConversation(Protocol):
    """The conversation of a thread's agent, as far as a revert has to do with it."""

    async def following(self, order: RevertOrder) -> Following:
        """How the agent would follow. What has to be asked is asked; nothing of the conversation changes.

        Raises:
            ProviderError: the agent could be asked to roll back, but does not come up.
        """

    async def roll_back(self, order: RevertOrder) -> None:
        """Forget the turns that the revert removes. The next turn goes on from what is left.

        Raises:
            ProviderError: the agent did not.
            StoreError: it was not recorded. Done again, it changes nothing more.
        """

    async def start_afresh(self) -> None:
        """End the agent and forget how to resume it: the next turn has a new conversation."""


@attrs.frozen(kw_only=True)
class RevertOrder:
    """A request to revert, with the current state of its thread."""

    intent: PersistedEvent
    turn_count: int
    thread: ThreadView
    workspace: Path
    failed_checkpoints: frozenset[int] = frozenset()
    """The counts of the turns whose checkpoint is in error: none is a target."""

    @property
    def may_undo_others(self) -> bool:
        """Whether the command allows the revert to undo what is not of the thread's turns."""
        payload = self.intent.payload
        return isinstance(payload, ThreadCheckpointRevertRequested) and payload.revert_others is True

    @property
    def removed_turns(self) -> tuple[TurnId, ...]:
        """The turns that the revert removes, in their order."""
        return tuple(turn.turn_id for turn in self.thread.turns if turn.turn_count > self.turn_count)


class _Refused(OrchestrionError):
    """The revert is refused; nothing was touched."""


_NOT_DONE: Final = (
    _Refused,
    NotFound,
    RevertUndoesOthers,
    WorkspaceBusy,
    RestoreRefused,
    RestoreFailed,
    CaptureFailed,
    GitUnavailable,
    ProviderError,
)


@attrs.define(eq=False)
class _Progress:
    """How far a revert has come: the workspace, once it is open, and whether files may have been touched."""

    workspace: GitWorkspace | None = None
    begun: bool = False
    names: RefNames = _FIRST_EDITION


@attrs.frozen(kw_only=True)
class _RevertResult:
    """What was done, as a preview names it beforehand, and the ref that keeps what stood there before."""

    outcome: RevertPreview
    safety_ref: CheckpointRef


class Reverter:
    """Performs reverts. Holds nothing between them."""

    def __init__(
        self,
        *,
        use: WorkspaceUse,
        sender: CommandSender,
        notes: IntentNotes,
        mint: Mint,
        database: Path,
        names: RefNames,
        readers: ReaderPool,
        policy: RevertPolicy,
    ) -> None:
        self._use = use
        self._sender = sender
        self._notes = notes
        self._mint = mint
        self._database = database
        self._names = names
        self._readers = readers
        self._policy = policy

    async def revert(self, order: RevertOrder, conversation: RevertedConversation) -> None:
        """Revert the thread, or settle the request with the reason why not.

        Cancelled while it waits, the request stays open. Once files are touched it goes on to its end.

        Raises:
            StoreError: the outcome could not be recorded; the request stays open.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        progress = _Progress()
        try:
            await self._revert(order, conversation, progress)
        except _NOT_DONE as error:
            _logger.warning("thread %s is not reverted: %s", order.thread.id, error, extra=_ids(order))
            if progress.begun and progress.workspace is not None:
                await self._undo_restore(progress.workspace, order, str(error), progress.names)
            else:
                undone = undone_payload(error.preview) if isinstance(error, RevertUndoesOthers) else {}
                await self._notes.revert_refused(order.intent, str(error), undone)

    async def _revert(self, order: RevertOrder, conversation: RevertedConversation, progress: _Progress) -> None:
        if not order.thread.turns:
            await self._complete(order)
            return
        workspace = await GitWorkspace.open(order.workspace, database=self._database)
        if workspace is None:
            raise _Refused(f"{order.workspace} is not there, or can have no checkpoints")
        progress.workspace = workspace
        progress.names = await self._names_of(workspace, order)
        safety = progress.names.safety(order.thread.id, order.intent.event_id)
        progress.begun = await workspace.existing(safety) is not None
        if order.turn_count in order.failed_checkpoints:
            raise _Refused(f"the checkpoint of turn {order.turn_count} is in error: see the thread's history")
        facts = await self._facts(order)
        target = await find_target(workspace, self._names, facts)
        if target is None:
            raise _Refused(f"{state_of(order.turn_count)} was not captured")
        following = await conversation.following(order)
        if following == "starts-afresh" and self._policy == "refuse" and not progress.begun:
            raise _Refused("its agent cannot roll its conversation back")
        async with self._use.revert(order.thread.id, order.workspace, waits=progress.begun):
            with shield():
                done = await self._restore(workspace, target, order, progress, facts)
                progress.begun = True
                crash_point("revert.files-restored")
                await self._follow(order, conversation, following, done)
                crash_point("revert.agent-followed")
                await self._complete(order)

    async def _names_of(self, workspace: GitWorkspace, order: RevertOrder) -> RefNames:
        """The names under which this revert keeps its journal: those of the first edition where it was begun by it."""
        kept = await workspace.existing(_FIRST_EDITION.safety(order.thread.id, order.intent.event_id))
        return self._names if kept is None else _FIRST_EDITION

    async def _facts(self, order: RevertOrder) -> RevertFacts:
        thread_id, turn_count = order.thread.id, order.turn_count
        return await self._readers.run(lambda database: read_revert_facts(database, thread_id, turn_count))

    async def _restore(
        self,
        workspace: GitWorkspace,
        target: Capture,
        order: RevertOrder,
        progress: _Progress,
        facts: RevertFacts,
    ) -> _RevertResult:
        """Put the files back, unless that undoes others' work and the command does not allow it.

        A revert that was begun has been approved. What was done is told from what stood there before it began, and what
        it removes or writes beside that changed while no host ran. What is left alone is not undone.
        """
        thread_id, request = order.thread.id, order.intent.event_id
        message = f"before the revert to turn {order.turn_count}"

        async def approve(forecast: RestoreForecast) -> None:
            preview = await others_work(workspace, facts, target, forecast, database=self._database)
            if preview.undoes_others and not order.may_undo_others:
                raise RevertUndoesOthers(preview)

        try:
            kept, restored = await workspace.restore(
                target,
                lambda attempt: progress.names.safety(thread_id, request, attempt),
                message,
                touched=partial(touched_since, workspace, facts, target, database=self._database),
                approve=None if progress.begun else approve,
            )
        except RestoreFailed:
            progress.begun = True
            raise
        _logger.info("thread %s: %s keeps what stood there before", thread_id, kept.ref)
        before = await workspace.differences(kept.tree, target.tree)
        now = restored.done
        written, removed = before.written - restored.untouched, before.removed - restored.untouched
        since = frozenset((*now.written, *now.removed)) - before.paths if progress.begun else frozenset()
        progress.begun = True
        done = RestoreForecast(
            present=kept.tree,
            written=tuple(written.union(now.written)),
            removed=tuple(removed.union(now.removed)),
            left_alone=now.left_alone,
        )
        undone = await others_work(workspace, facts, target, done, database=self._database, not_own=since)
        return _RevertResult(outcome=undone, safety_ref=kept.ref)

    async def _follow(
        self,
        order: RevertOrder,
        conversation: RevertedConversation,
        following: Following,
        done: _RevertResult,
    ) -> None:
        """Let the agent follow, and report the result to the thread, before its subject can be forgotten."""
        outcome = done.outcome
        if following == "rolls-back":
            await conversation.roll_back(order)
        loses_context = following == "starts-afresh" and order.turn_count > 0
        state = "its first turn's start" if order.turn_count == 0 else f"the end of turn {order.turn_count}"
        loss = "; the agent starts afresh and does not remember the conversation" if loses_context else ""
        payload: JsonObject = {
            "turnCount": order.turn_count,
            "safetyRef": done.safety_ref,
            "written": len(outcome.written),
            "removed": len(outcome.removed),
            "leftAlone": list(outcome.left_alone[:SHOWN_PATHS]),
            "leftAloneCount": len(outcome.left_alone),
            "contextLost": loses_context,
            **(undone_payload(outcome) if outcome.undoes_others else {}),
        }
        result = f"The workspace stands as at {state}"
        if outcome.left_alone:
            count = len(outcome.left_alone)
            left = "1 path was" if count == 1 else f"{count} paths were"
            result = f"The workspace was put back to {state}, but {left} left alone"
        await self._note(order.thread.id, order, "checkpoint.reverted", f"{result}{loss}", payload)
        await self._report_to_other_threads(order, outcome, done.safety_ref)
        if following == "starts-afresh":
            await conversation.start_afresh()

    async def _undo_restore(self, workspace: GitWorkspace, order: RevertOrder, reason: str, names: RefNames) -> None:
        """The files go back to where they were before the revert, so that nothing of it is done."""
        thread_id, request = order.thread.id, order.intent.event_id
        safety = names.safety(thread_id, request)
        try:
            kept = await workspace.existing(safety)
            if kept is None:
                raise _Refused(f"{safety} is gone")
            await workspace.restore(
                kept, lambda attempt: names.safety(thread_id, f"{request}-back", attempt), "put back"
            )
        except _NOT_DONE as error:
            _logger.error("the files of thread %s could not be put back: %s", thread_id, error, extra=_ids(order))
            await self._notes.revert_failed(order.intent, f"{reason}; the files are not put back: {error}", safety)
        else:
            await self._notes.revert_refused(order.intent, reason)

    async def _complete(self, order: RevertOrder) -> None:
        command = ThreadRevertComplete(
            command_id=CommandId(runtime_id("revert", order.intent.event_id)),
            thread_id=order.thread.id,
            turn_count=Count(order.turn_count),
            created_at=self._mint.now(),
        )
        result = await self._sender.send(
            IngestedCommand(command=command, metadata=NO_METADATA),
            caused_by=order.intent.event_id,
            correlation_id=order.intent.correlation_id,
        )
        crash_point("revert.completed")
        if result is None:
            safety = self._names.safety(order.thread.id, order.intent.event_id)
            await self._notes.revert_failed(order.intent, "the thread does not take the revert any more", safety)

    async def _report_to_other_threads(self, order: RevertOrder, undone: RevertPreview, safety_ref: str) -> None:
        """Tell the other threads whose files were put back, those that live."""
        for one in undone.others:
            count = len(one.paths)
            files = (
                "1 file that this thread changed was" if count == 1 else f"{count} files that this thread changed were"
            )
            summary = f"Thread {order.thread.id!r} was reverted in this workspace: {files} put back"
            payload: JsonObject = {
                "threadId": order.thread.id,
                "turnCount": order.turn_count,
                "turnCounts": list(one.turn_counts[:SHOWN_PATHS]),
                "paths": list(one.paths[:SHOWN_PATHS]),
                "files": len(one.paths),
                "safetyRef": safety_ref,
            }
            if one.is_live:
                await self._note(one.thread_id, order, "checkpoint.undone.elsewhere", summary, payload)

    async def _note(self, told: ThreadId, order: RevertOrder, kind: str, summary: str, payload: JsonObject) -> None:
        """Tell a thread. It does not settle the request: a crash after it leaves the revert to be done again."""
        about = () if told == order.thread.id else (hashlib.blake2b(told.encode(), digest_size=16).hexdigest(),)
        key = runtime_id("revert", "noted", order.intent.event_id, *about)
        line = thread_line(key, told, tone="info", kind=kind, summary=summary, payload=payload, now=self._mint.now())
        await self._sender.send(line, correlation_id=order.intent.correlation_id)


def _ids(order: RevertOrder) -> dict[str, object]:
    """What a log record about a revert carries."""
    intent = order.intent
    return {"thread_id": order.thread.id, "event_sequence": intent.sequence, "command_id": intent.command_id}
