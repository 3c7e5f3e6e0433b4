"""What a turn needs before it is claimed: an agent that lives in the thread's workspace, the workspace's baseline, and
what to hand over.

Preparing claims nothing: it may be cancelled or done again at any time. The workspace is looked at before the agent is
chosen and again after the baseline, because a directory may be removed, replaced or renamed at any time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

import attrs
from anyio.abc import TaskGroup

from ...contracts.events import PersistedEvent, ThreadTurnStartRequested
from ...contracts.ids import ThreadId
from ...persistence.crash_points import crash_point
from ..checkpoints.turn_workspace import TurnWorkspace
from ..checkpoints.workspace_identity import identify
from ..providers.adapter import TurnRequest
from .agent_life import AgentLife
from .context import ThreadContext
from .parts import SessionParts
from .thread_agent import ThreadAgent
from .turn_request import read_turn_request, with_model

NotPrepared: TypeAlias = Literal["later", "never"]
"""`later`: prepare the turn again when the session looks again. `never`: its thread is gone."""

LATER: Final = "later"
NEVER: Final = "never"


@attrs.frozen
class PreparedTurn:
    """A turn that is ready to be claimed. Unless it is claimed, its workspace is to be forgotten."""

    life: AgentLife
    workspace: TurnWorkspace
    request: TurnRequest


class TurnPreparation:
    """Prepares the turns of one thread. Belongs to the task of its session."""

    def __init__(
        self,
        thread_id: ThreadId,
        parts: SessionParts,
        agent: ThreadAgent,
        read_context: Callable[[], Awaitable[ThreadContext | None]],
    ) -> None:
        self._thread_id = thread_id
        self._parts = parts
        self._agent = agent
        self._read_context = read_context

    async def prepare(
        self, intent: PersistedEvent, start: ThreadTurnStartRequested, tasks: TaskGroup
    ) -> PreparedTurn | NotPrepared:
        """Prepare a turn. An agent that is started runs in `tasks`.

        Raises what `SessionStarter.start` raises, and
            WorkspaceUnusable: the thread's workspace is missing, or is no directory that can be entered.
            ProviderError: the turn's message cannot be read.
        """
        await self._agent.left_alone()
        context = await self._read_context()
        if context is None or context.thread.deleted_at is not None:
            return NEVER
        request = await read_turn_request(self._parts.readers, intent, start)
        place = await identify(context.workspace)
        if await self._agent.lives_elsewhere(place):
            await self._agent.end()
            context = await self._read_context() or context
        life = await self._agent.living(context, place, tasks, correlation_id=intent.correlation_id)
        if life.running_turn_id is not None:  # the agent has begun a turn by itself: this one waits for its end
            return LATER
        turn = TurnWorkspace(
            thread_id=self._thread_id,
            turn_id=start.turn_id,
            turn_count=context.highest_turn_count + 1,
            path=context.workspace,
            correlation_id=intent.correlation_id,
        )
        await self._parts.checkpointer.capture_baseline(turn)
        crash_point("turn.baseline-captured")
        if not await self._is_still_there(turn):
            return LATER
        return PreparedTurn(life, turn, with_model(request, context, self._agent))

    async def _is_still_there(self, turn: TurnWorkspace) -> bool:
        """Whether the agent still works in the turn's directory, which may have been replaced meanwhile.

        Raises:
            WorkspaceUnusable: the directory is gone.
        """
        is_still_there = False
        try:
            is_still_there = not await self._agent.lives_elsewhere(await identify(turn.path))
        finally:
            if not is_still_there:
                self._parts.checkpointer.forget(turn)
        return is_still_there
