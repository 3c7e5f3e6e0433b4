"""An agent that is scripted by a test, and a dispatcher in memory that can refuse: no process, no database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio

from orchestrion.actors.last_errors import LastErrors
from orchestrion.actors.log.command_sender import CommandSender
from orchestrion.actors.log.dispatcher import Dispatcher
from orchestrion.actors.providers.adapter import (
    AgentConnection,
    Capabilities,
    ProcessIdentity,
    Provider,
    SessionRequest,
    TurnRequest,
)
from orchestrion.actors.sessions.agent_run import AgentRun
from orchestrion.contracts.commands import INTERNAL_COMMANDS
from orchestrion.contracts.errors import CommandRejected, ProviderError
from orchestrion.contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    CommandId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
)
from orchestrion.contracts.provider_events import ProviderRuntimeEvent, SessionExited
from orchestrion.contracts.read_model import DispatchResult
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.contracts.values import ApprovalDecision, JsonObject, Label
from orchestrion.domain.decision import Rejection
from orchestrion.domain.session_commands import IngestState
from orchestrion.persistence.command_envelope import CommandEnvelope
from orchestrion.persistence.command_group import CommandSuperseded, is_superseded
from orchestrion.testing.model_host import ModelHost


class ModelDispatcher:
    """Decides on a `ModelHost`, answers a repeated command as the first time; raises `fault` while there is one."""

    def __init__(self, host: ModelHost | None = None) -> None:
        self.host = host or ModelHost()
        self.fault: Exception | None = None
        self.held: anyio.Event | None = None
        """What every command waits for, while there is one."""
        self.envelopes: list[CommandEnvelope] = []
        self.attempted = anyio.Event()
        self.errors = LastErrors(SystemMint().now)
        self._answers: dict[CommandId, DispatchResult | CommandRejected] = {}

    async def dispatch(self, envelope: CommandEnvelope) -> DispatchResult:
        await anyio.lowlevel.checkpoint()
        self.attempted.set()
        if self.held is not None:
            await self.held.wait()
        if self.fault is not None:
            raise self.fault
        command = envelope.command
        answer = self._answers.get(command.command_id)
        if answer is None:
            self.envelopes.append(envelope)
            result = self.host.dispatch(command, caused_by=envelope.caused_by, metadata=envelope.metadata)
            if isinstance(result, Rejection):
                assert isinstance(command, INTERNAL_COMMANDS)
                superseded = is_superseded(self.host.threads.get(command.thread_id), envelope.metadata)
                answer = (CommandSuperseded if superseded else CommandRejected)(command.command_id, result.reason)
            else:
                answer = DispatchResult(sequence=self.host.head, duplicate=False)
            self._answers[command.command_id] = answer
        if isinstance(answer, CommandRejected):
            raise answer
        return answer

    def sender(self, *, storage_deadline: float = 0.0) -> CommandSender:
        return CommandSender(cast("Dispatcher", self), self.errors, storage_deadline=storage_deadline)


class ScriptedAgent:
    """A connection whose events the test sends. `says` and `dies` are the agent's part."""

    def __init__(self) -> None:
        self._said, self.events = anyio.create_memory_object_stream[ProviderRuntimeEvent](100)
        self.turns: list[TurnRequest] = []
        self.interrupted = anyio.Event()
        self.answers: list[tuple[ApprovalRequestId, ApprovalDecision]] = []
        self.forms: list[JsonObject | None] = []
        """The answers to questions that came with each of `answers`."""
        self.refusal: ProviderError | None = None
        """What every answer is refused with, while there is one."""

    process = ProcessIdentity(pid=1, started_at=None)
    capabilities = Capabilities(resume=True)
    provider_thread_id: ProviderThreadId | None = None
    resume_cursor: JsonObject | None = None

    async def report(self, *events: ProviderRuntimeEvent) -> None:
        for event in events:
            await self._said.send(event)

    async def dies(self) -> None:
        """Its process is gone; its adapter reports nothing."""
        await self._said.aclose()

    async def start_turn(self, turn: TurnRequest) -> None:
        self.turns.append(turn)

    async def interrupt(self) -> None:
        self.interrupted.set()

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.answers.append((request, decision))
        self.forms.append(answers)

    async def close(self) -> None:
        try:
            self._said.send_nowait(SessionExited(asked=True))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return
        self._said.close()


class ScriptedProvider:
    name = "scripted"
    adapter_key = "scripted"

    def __init__(self, agent: ScriptedAgent) -> None:
        self._agent = agent

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        try:
            yield cast("AgentConnection", self._agent)
        finally:
            await self._agent.close()
            self._agent.events.close()


def run_of(dispatcher: ModelDispatcher, session_id: str = "s1", *, storage_deadline: float = 0.0) -> AgentRun:
    """A run that is not started, of thread `t1`."""
    state = IngestState(
        thread_id=ThreadId("t1"),
        provider_session_id=ProviderSessionId(session_id),
        provider_name=Label("scripted"),
        adapter_key=Label("scripted"),
    )
    return AgentRun(
        state,
        dispatcher.sender(storage_deadline=storage_deadline),
        SystemMint(),
        correlation_id=None,
        changed=lambda: None,
    )


async def start(run: AgentRun, agent: ScriptedAgent, tasks: anyio.abc.TaskGroup) -> None:
    request = SessionRequest(
        thread_id=ThreadId("t1"),
        provider_session_id=run.state.provider_session_id,
        workspace=Path("workspace"),
        resume_cursor=None,
    )
    await run.bind()
    await tasks.start(run.run, cast("Provider", ScriptedProvider(agent)), request)
