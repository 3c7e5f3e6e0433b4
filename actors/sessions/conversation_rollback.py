"""What a revert does to the conversation of a thread's agent: roll it back, start it afresh, or leave it as it is.

An agent that rolls back is ended first: its memory of the files is out of date, and a conversation has one process at
a time. The next turn resumes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from ...contracts.errors import ProviderError, ProviderProtocolError
from ...contracts.ids import ProviderSessionId
from ..checkpoints.reverter import Following, RevertOrder
from ..providers.adapter import RollsBack, SessionRequest
from .agent_run import AgentRun
from .context import ThreadContext
from .starter import AgentStarter


class ConversationRollback:
    """The `RevertedConversation` of one revert. `end_agent` ends the thread's agent, if one lives."""

    def __init__(
        self,
        run: AgentRun | None,
        starter: AgentStarter,
        context: ThreadContext,
        *,
        end_agent: Callable[[], Awaitable[None]],
    ) -> None:
        self._run = run
        self._end_agent = end_agent
        self._starter = starter
        self._context = context
        self._asked: tuple[RollsBack, SessionRequest] | None = None

    async def following(self, order: RevertOrder) -> Following:
        request = self._request()
        if request is None or not order.removed_turns:
            return "as-it-is"
        provider = self._starter.choice.provider_of(self._context)
        if order.turn_count == 0 or not isinstance(provider, RollsBack):
            return "starts-afresh"
        await self._end_agent()
        config = self._starter.choice.config_of(self._context, provider)
        request = attrs.evolve(request, config=attrs.evolve(config, mcp_servers={}))
        can_forget = await provider.can_forget(request, order.removed_turns)
        if not can_forget:
            return "starts-afresh"
        self._asked = provider, request
        return "rolls-back"

    async def roll_back(self, order: RevertOrder) -> None:
        if self._asked is None:
            raise ProviderProtocolError("the agent was not asked whether it can roll back")
        provider, request = self._asked
        try:
            cursor = await provider.forget(request, order.removed_turns)
        except ProviderError:  # its answer may be lost; a repeated request does nothing more
            cursor = await provider.forget(request, order.removed_turns)
        if cursor is None:
            await self._starter.drop_cursors(self._context.thread.id)
        else:
            await self._starter.move_cursor(request.provider_session_id, cursor)

    async def start_afresh(self) -> None:
        await self._end_agent()
        await self._starter.drop_cursors(self._context.thread.id)

    def _request(self) -> SessionRequest | None:
        """The request that resumes the current conversation; None if there is none."""
        run, context = self._run, self._context
        if run is not None:
            session, cursor = run.state.provider_session_id, run.connection.resume_cursor
        elif context.runtime is not None:
            session, cursor = ProviderSessionId(context.runtime.provider_session_id), context.resume_cursor
        else:
            return None
        if cursor is None:
            return None
        return SessionRequest(
            thread_id=context.thread.id,
            provider_session_id=session,
            workspace=context.workspace,
            resume_cursor=cursor,
            python=self._starter.python,
        )
