"""An in-process agent that answers the same prompt in the same way, and records what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
from anyio.to_thread import run_sync

from orchestrion.actors.providers.adapter import (
    AgentConnection,
    Capabilities,
    ProcessIdentity,
    SessionRequest,
    TurnRequest,
)
from orchestrion.contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    ProviderItemId,
    ProviderThreadId,
    ThreadId,
)
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from orchestrion.contracts.values import ApprovalDecision, JsonObject

NO_PROCESS = ProcessIdentity(pid=2**30, started_at=None)


class PlainProvider:
    """`heard` has the prompts and answers of each thread's agent, in order."""

    name = "plain"
    adapter_key = "plain"

    def __init__(self) -> None:
        self.received: dict[ThreadId, list[object]] = {}

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        received = self.received.setdefault(request.thread_id, [])
        received.append(("connect", request.resume_cursor))
        agent = _Agent(request, received)
        try:
            yield cast("AgentConnection", agent)
        finally:
            await agent.close()
            agent.events.close()


class _Agent:
    """Writes a file named by its prompt, reports a sentence, and asks first if the prompt begins with `ask`."""

    process = NO_PROCESS
    capabilities = Capabilities(resume=True)

    def __init__(self, request: SessionRequest, received: list[object]) -> None:
        self._said, self.events = anyio.create_memory_object_stream[ProviderRuntimeEvent](100)
        self._workspace = request.workspace
        self._received = received
        self._prompts = 0
        self.resume_cursor: JsonObject | None = {"conversation": 1}
        self.provider_thread_id = ProviderThreadId("conversation")

    async def start_turn(self, turn: TurnRequest) -> None:
        self._prompts += 1
        self._received.append(("turn", turn.text, turn.model, turn.effort, len(turn.attachments)))
        item = ProviderItemId(f"tool-{self._prompts}")
        await self._report(ToolStarted(item=item, title="write"))
        await run_sync(_write, self._workspace / f"{turn.text.split()[-1]}.txt", turn.text)
        await self._report(ToolCompleted(item=item, title="write"))
        if turn.text.startswith("ask"):
            asked = ApprovalRequestId(f"permission-{self._prompts}")
            await self._report(ApprovalRequested(request=asked, kind="command", summary="may I"))
        else:
            await self._end()

    async def interrupt(self) -> None:
        self._received.append("interrupt")
        await self._report(TurnCompleted(outcome="interrupted"))

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        self._received.append(("respond", request, decision, option))
        await self._report(ApprovalResolved(request=request, decision=decision))
        await self._end()

    async def close(self) -> None:
        try:
            self._said.send_nowait(SessionExited(asked=True))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return
        self._said.close()

    async def _end(self) -> None:
        item = ProviderItemId(f"message-{self._prompts}")
        await self._report(MessageDelta(item=item, text=f"done {self._prompts}"), MessageCompleted(item=item))
        await self._report(TurnCompleted(outcome="completed"))

    async def _report(self, *events: ProviderRuntimeEvent) -> None:
        for event in events:
            await self._said.send(event)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
