"""The conversation of a thread's agent as a revert meets it: rolled back in the agent, or begun afresh."""

from __future__ import annotations

from anyio.abc import TaskGroup

from ..runtime.contracts.errors import ProviderProtocolError
from ..runtime.contracts.ids import CommandId
from .agent_life import AgentLife
from .providers.adapter import RollsBack
from .reverter import Following
from .session_starter import SessionStarter
from .thread_agent import ThreadAgent
from .thread_context import ThreadContext


class ThreadConversation:
    """A `Conversation` for one revert. An agent that can roll back is started for it in `tasks` if none lives."""

    def __init__(
        self,
        agent: ThreadAgent,
        starter: SessionStarter,
        context: ThreadContext,
        tasks: TaskGroup,
        *,
        correlation_id: CommandId | None,
    ) -> None:
        self._agent = agent
        self._starter = starter
        self._context = context
        self._tasks = tasks
        self._correlation_id = correlation_id

    async def following(self, turn_count: int) -> Following:
        life = self._agent.life
        if life is None:
            if self._context.resume_cursor is None:
                return "has-nothing"
            if turn_count == 0 or not self._context.can_roll_back:
                return "starts-afresh"
            life = await self._agent.living(self._context, self._tasks, correlation_id=self._correlation_id)
        return "rolls-back" if turn_count > 0 and _rolls_back(life) else "starts-afresh"

    async def roll_back(self, turn_count: int) -> None:
        life = self._agent.life
        if life is None or not isinstance(life.connection, RollsBack):
            raise ProviderProtocolError("the agent that could roll back is gone")
        await life.connection.roll_back(turn_count)

    async def start_afresh(self) -> None:
        await self._agent.end()
        await self._starter.drop_cursors(self._context.thread.id)


def _rolls_back(life: AgentLife) -> bool:
    connection = life.connection
    return connection.capabilities.roll_back and isinstance(connection, RollsBack)
