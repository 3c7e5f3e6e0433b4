"""Agents that speak the Agent Client Protocol on their standard input and output.

An `_AcpConnection` is a `StdioConnection` with a `Conversation`, which knows the protocol.

The agent is offered no files and no terminals: it works in its workspace by its own means, and asks permission.
Its model and modes are its own configuration; a turn that asks for another model is refused.
Source: https://agentclientprotocol.com/protocol/overview
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from ...runtime.contracts.errors import ProviderProtocolError, SessionLost
from ...runtime.contracts.ids import ApprovalRequestId, ProviderThreadId
from ...runtime.contracts.provider_events import ProviderRuntimeEvent, SessionStarted
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_handshake import AgentFeatures, initialize, open_session
from .acp_protocol import Conversation, Step
from .adapter import AgentConnection, Capabilities, SessionRequest, TurnRequest
from .agent_process import AgentProcess
from .jsonrpc_protocol import Notification, Reply, Request
from .stdio_connection import StdioConnection, connected

__all__ = ["AcpProvider"]


class AcpProvider:
    """Starts `command` for each session. `env` is laid over the host's environment. Deadlines are in seconds.

    `start_deadline_seconds` bounds the start up to the agent's `initialize` reply, `request_deadline_seconds` every
    later request and every write, `end_grace_seconds` each step of ending the process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "acp",
        env: Mapping[str, str] | None = None,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        if not command:
            raise ValueError("an agent's command names at least its program")
        self._command = tuple(command)
        self._name = name
        self._env = env
        self._start_deadline_seconds = start_deadline_seconds
        self._request_deadline_seconds = request_deadline_seconds
        self._end_grace_seconds = end_grace_seconds

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "acp"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
        return connected(
            self._command,
            workspace=request.workspace,
            env=self._env,
            start_deadline_seconds=self._start_deadline_seconds,
            end_grace_seconds=self._end_grace_seconds,
            connection_over=lambda process: _AcpConnection(
                process, request, deadline_seconds=self._request_deadline_seconds
            ),
        )


class _AcpConnection(StdioConnection):
    def __init__(self, process: AgentProcess, request: SessionRequest, *, deadline_seconds: float) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._request = request
        self._conversation: Conversation | None = None
        self._session_id: ProviderThreadId | None = None
        self._agent = AgentFeatures()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(resume=self._agent.can_load or self._agent.can_resume, approvals=True)

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        return None if self._session_id is None else {"sessionId": self._session_id}

    async def open(self, start_deadline_seconds: float) -> None:
        async with self._coming_up():
            self._agent = await initialize(self._peer, deadline_seconds=start_deadline_seconds)
            session_id = await open_session(
                self._peer, self._agent, self._request, deadline_seconds=self._deadline_seconds
            )
        self._session_id = session_id
        self._conversation = Conversation(session_id)
        self._events.put_nowait(SessionStarted(provider_thread_id=session_id))

    async def start_turn(self, turn: TurnRequest) -> None:
        conversation = self._opened()
        prompt = self._prompt(turn)
        conversation.begin_turn()
        try:
            with self._write_deadline():
                await self._peer.send_request(
                    "session/prompt",
                    {"sessionId": self._session_id, "prompt": prompt},
                    on_reply=self._turn_ended,
                )
        except BaseException:
            conversation.cut_off()
            raise

    async def interrupt(self) -> None:
        conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(conversation.interrupted())

    async def respond(self, request: ApprovalRequestId, decision: ApprovalDecision) -> None:
        await self._carry_out(self._opened().decided(request, decision))

    async def _take(self, message: Request | Notification) -> None:
        match message:
            case Notification(method="session/update", params=params):
                if self._conversation is not None:
                    await self._perform(self._conversation.updated(params))
            case Request(method="session/request_permission", id=request_id, params=params):
                if self._conversation is not None:
                    await self._perform(self._conversation.permission_asked(request_id, params))
                else:
                    await self._refuse(message)
            case Request():
                await self._refuse(message)
            case Notification():
                pass

    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        return () if self._conversation is None else self._conversation.cut_off().events

    async def _perform(self, step: Step) -> None:
        """What follows from a message: the runtime may be slow to read, and the agent waits then."""
        for event in step.events:
            await self._events.put(event)
        await self._send(step)

    async def _carry_out(self, step: Step) -> None:
        """What follows from a call of the runtime, which may be the one that reads the events."""
        for event in step.events:
            self._events.put_nowait(event)
        await self._send(step)

    async def _turn_ended(self, reply: Reply) -> None:
        await self._perform(self._opened().replied(reply))

    async def _send(self, step: Step) -> None:
        with self._write_deadline():
            if step.cancels:
                await self._peer.notify("session/cancel", {"sessionId": self._session_id})
            for answer in step.answers:
                await self._peer.respond(answer.id, answer.value)

    def _opened(self) -> Conversation:
        assert self._conversation is not None, "a connection is handed out after its conversation is open"
        return self._conversation

    def _prompt(self, turn: TurnRequest) -> list[JsonObject]:
        if turn.model is not None and turn.model != self._request.model:
            raise ProviderProtocolError(
                f"{self._process.program} cannot switch to model {turn.model!r}: configure the agent"
            )
        if turn.attachments and not self._agent.takes_images:
            raise ProviderProtocolError(f"{self._process.program} takes no images: leave the attachments out")
        images = [
            {"type": "image", "mimeType": image.mime_type, "data": image.data_url.partition(",")[2]}
            for image in turn.attachments
        ]
        return [{"type": "text", "text": turn.text}, *images]
