"""The steps of a thread's turns: baseline, claim, hand-over, end. The machine decides their order.

Until a turn is claimed, its preparation may be cancelled or repeated at any time. The workspace is checked before the
baseline and again after it, because a directory may be removed, replaced or renamed at any time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from ...contracts.errors import ProviderError, SessionLost
from ...contracts.events import PersistedEvent, ThreadTurnStartRequested
from ...contracts.ids import ThreadId, TurnId
from ...domain.session.inputs import (
    AgentBusy,
    AgentLost,
    BaselineCaptured,
    Claimed,
    ClaimVoid,
    Failure,
    HandedOver,
    HandOverFailed,
    ThreadMissing,
    WorkspaceMoved,
)
from ...persistence.crash_points import crash_point
from ..checkpoints.turn_workspace import TurnWorkspace
from ..checkpoints.workspace_identity import identify
from ..providers.adapter import TurnRequest
from .agent_run import AgentRun
from .context import ThreadContext
from .failure_reasons import failure_of
from .kept_agent import KeptAgent
from .parts import SessionParts
from .turn_request import read_steer_request, read_turn_request, with_model

CaptureReply: TypeAlias = BaselineCaptured | WorkspaceMoved | ThreadMissing
ClaimReply: TypeAlias = Claimed | ClaimVoid | AgentBusy | AgentLost


@attrs.frozen(kw_only=True)
class _Prepared:
    """A turn that can be claimed."""

    workspace: TurnWorkspace
    request: TurnRequest
    left_out_model: str | None
    own_turns: int


class TurnWork:
    """Used by the task of its worker and by that of its operation."""

    def __init__(
        self,
        thread_id: ThreadId,
        parts: SessionParts,
        agent: KeptAgent,
        read_context: Callable[[], Awaitable[ThreadContext | None]],
    ) -> None:
        self._thread_id = thread_id
        self._parts = parts
        self._agent = agent
        self._read_context = read_context
        self._prepared: _Prepared | None = None
        self._at_work: dict[TurnId, TurnWorkspace] = {}

    async def capture_baseline(self, intent: PersistedEvent, start: ThreadTurnStartRequested) -> CaptureReply:
        """Capture the workspace as the turn finds it.

        Raises:
            WorkspaceUnusable: the thread's workspace is missing, or is no directory that can be entered.
            ProviderError: the turn's message cannot be read.
        """
        self._prepared = None
        run = self._agent.living
        own_turns = run.own_turns
        context = await self._read_context()
        if context is None or context.thread.deleted_at is not None:
            return ThreadMissing()
        workspace = TurnWorkspace(
            thread_id=self._thread_id,
            turn_id=start.turn_id,
            turn_count=context.highest_turn_count + 1,
            path=context.workspace,
            correlation_id=intent.correlation_id,
        )
        request = await read_turn_request(self._parts.readers, intent, start)
        if await self._agent.has_other_workspace(await identify(workspace.path)):
            return WorkspaceMoved()
        await self._parts.checkpointer.capture_baseline(workspace)
        crash_point("turn.baseline-captured")
        if not await self._is_unchanged(workspace):
            return WorkspaceMoved()
        can_switch = run.connection.capabilities.model_switch
        request, left_out = with_model(request, context, can_switch=can_switch)
        self._prepared = _Prepared(workspace=workspace, request=request, left_out_model=left_out, own_turns=own_turns)
        return BaselineCaptured()

    async def _is_unchanged(self, workspace: TurnWorkspace) -> bool:
        """Whether the agent still works in the turn's directory, which may have been replaced meanwhile.

        Raises:
            WorkspaceUnusable: the directory is gone.
        """
        is_unchanged = False
        try:
            is_unchanged = not await self._agent.has_other_workspace(await identify(workspace.path))
        finally:
            if not is_unchanged:
                self._parts.checkpointer.forget(workspace)
        return is_unchanged

    async def claim(self, intent: PersistedEvent, turn_id: TurnId) -> ClaimReply:
        """Open the turn. It is handed over at most once from now on."""
        prepared = self._prepared
        assert prepared is not None, "a turn is claimed after its baseline"
        try:
            result = await self._agent.living.claim(turn_id, intent, own_turns=prepared.own_turns)
        except SessionLost as error:
            return AgentLost(failure_of(error))
        if result == "claimed":
            self._at_work[turn_id] = prepared.workspace
            crash_point("turn.claimed")
            return Claimed()
        return AgentBusy() if result == "busy" else await self._void_reply()

    async def _void_reply(self) -> ClaimReply:
        """Why the commit of a claim was rejected. If the thread is not deleted, its agent is not usable."""
        context = await self._read_context()
        if context is None or context.thread.deleted_at is not None:
            return ClaimVoid()
        message = "the turn could not be opened: the thread's agent is not its current one"
        return AgentLost(Failure(message=message))

    async def hand_over(self) -> HandedOver | HandOverFailed:
        """Give the turn to the agent."""
        prepared, self._prepared = self._prepared, None
        assert prepared is not None, "a turn is handed over after its claim"
        if prepared.left_out_model is not None:
            await self._agent.note_left_out(prepared.left_out_model)
        try:
            await self._agent.living.connection.start_turn(prepared.request)
            crash_point("turn.handed-over")
        except ProviderError as error:
            return HandOverFailed(failure=failure_of(error), is_lost=isinstance(error, SessionLost))
        return HandedOver()

    async def steer(self, intent: PersistedEvent, turn_id: TurnId) -> bool:
        """Send the message of a steering request into the running turn. False if the agent did not take it.

        Raises:
            StoreError: the log cannot be read, or the outcome not recorded.
        """
        try:
            request = await read_steer_request(self._parts.readers, intent)
        except ProviderError:
            return False
        return await self._agent.living.steer(intent, turn_id, request)

    def forget_baseline(self) -> None:
        """Release the workspace of a prepared turn that does not run. Does nothing if none was prepared."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._parts.checkpointer.forget(prepared.workspace)

    async def capture_own_turn(self, run: AgentRun, turn_id: TurnId) -> None:
        """Capture the start of a turn that the agent began by itself, as soon as it is known."""
        for before in (*self._at_work,):
            await self.capture_end(before)
        context = await self._read_context()
        turns = () if context is None else context.thread.turns
        opened = next((turn for turn in turns if turn.turn_id == turn_id), None)
        if opened is None or run.workspace is None:
            return
        workspace = TurnWorkspace(
            thread_id=self._thread_id, turn_id=turn_id, turn_count=opened.turn_count, path=run.workspace
        )
        self._at_work[turn_id] = workspace
        await self._parts.checkpointer.capture_baseline(workspace)

    async def capture_end(self, turn_id: TurnId) -> None:
        """Ask for the workspace to be captured as the turn left it, once."""
        workspace = self._at_work.pop(turn_id, None)
        if workspace is not None:
            crash_point("turn.ended")
            await self._parts.checkpointer.capture_end(workspace)
