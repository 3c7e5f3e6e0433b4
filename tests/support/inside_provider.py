"""An agent inside the host: no process, no pipe. It answers every turn at once, and records its requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import anyio

from orchestrion.actors.providers.adapter import (
    AgentConnection,
    Capabilities,
    ProcessIdentity,
    SessionRequest,
    TurnRequest,
)
from orchestrion.contracts.errors import ResumeRefused
from orchestrion.contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderItemId, ProviderThreadId
from orchestrion.contracts.provider_events import (
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    SessionStarted,
    TurnCompleted,
)
from orchestrion.contracts.values import ApprovalDecision, JsonObject

Answer = Callable[[TurnRequest], TurnCompleted | None]
"""How a turn ends; None: it does not end."""


def completed(turn: TurnRequest) -> TurnCompleted:
    return TurnCompleted(outcome="completed")


class InsideProvider:
    """`turns` are all turns that its agents received, `requests` the session requests.

    The agents of the threads in `stirring` always report signs of life, but no events.
    """

    adapter_key = "inside"
    takes_session_config = True

    def __init__(
        self,
        name: str = "inside",
        *,
        capabilities: Capabilities | None = None,
        answer: Answer = completed,
        process: ProcessIdentity | None = None,
    ) -> None:
        self.name = name
        self.capabilities = capabilities or Capabilities(resume=True, model_switch=True)
        self.answer = answer
        self.process = process
        self.turns: list[TurnRequest] = []
        self.requests: list[SessionRequest] = []
        self.stirring: set[str] = set()

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        self.requests.append(request)
        if request.resume_cursor is not None and not self.capabilities.resume:
            raise ResumeRefused("the agent offers no way to resume")
        agent = InsideAgent(self, request)
        try:
            yield cast("AgentConnection", agent)
        finally:
            await agent.close()
            agent.events.close()


class InsideAgent:
    def __init__(self, provider: InsideProvider, request: SessionRequest) -> None:
        self._provider = provider
        self._said, self.events = anyio.create_memory_object_stream[ProviderRuntimeEvent](100)
        self._said.send_nowait(SessionStarted(provider_thread_id=self.provider_thread_id))
        self._history = dict(request.resume_cursor or {})
        self._thread_id = request.thread_id
        self._started_at = anyio.current_time()

    provider_thread_id = ProviderThreadId("inside")

    @property
    def process(self) -> ProcessIdentity | None:
        return self._provider.process

    @property
    def capabilities(self) -> Capabilities:
        return self._provider.capabilities

    @property
    def resume_cursor(self) -> JsonObject | None:
        return {"turns": len(self._provider.turns), **self._history}

    @property
    def heard_at(self) -> float:
        return anyio.current_time() if self._thread_id in self._provider.stirring else self._started_at

    async def start_turn(self, turn: TurnRequest) -> None:
        self._provider.turns.append(turn)
        item = ProviderItemId(f"m{len(self._provider.turns)}")
        for event in (MessageDelta(item=item, text=turn.text), MessageCompleted(item=item)):
            await self._said.send(event)
        end = self._provider.answer(turn)
        if end is not None:
            await self._said.send(end)

    async def interrupt(self) -> None: ...

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None: ...

    async def close(self) -> None:
        try:
            self._said.send_nowait(SessionExited(asked=True))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return
        self._said.close()
