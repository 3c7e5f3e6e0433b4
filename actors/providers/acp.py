"""Agents that speak the Agent Client Protocol on their standard input and output.

An `AcpConnection` joins three parts: the process, the JSON-RPC peer over its pipes, and the `Conversation` that
knows the protocol. What the agent says is handled in its order by the one task that reads (`run`); what the runtime
asks is written from the caller's task. The conversation lives on one event loop and is changed between awaits only.

The agent is offered no files and no terminals: it works in its workspace by its own means, and asks permission.
Its model and modes are its own configuration; a turn that asks for another model is refused.
Source: https://agentclientprotocol.com/protocol/overview
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final

import anyio
from anyio.abc import ObjectReceiveStream

from ...runtime.contracts.errors import (
    ProviderError,
    ProviderProtocolError,
    ProviderUnavailable,
    SessionLost,
)
from ...runtime.contracts.ids import ApprovalRequestId, ProviderThreadId
from ...runtime.contracts.provider_events import (
    ProviderRuntimeEvent,
    RuntimeErrorReported,
    SessionExited,
    SessionStarted,
)
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_handshake import AgentFeatures, initialize, open_session
from .acp_protocol import Conversation, Step
from .adapter import AgentConnection, Capabilities, ProcessIdentity, SessionRequest, TurnRequest
from .agent_process import AgentProcess, agent_process
from .event_queue import EventQueue
from .jsonrpc import JsonRpcPeer, ReplyOverdue
from .jsonrpc_protocol import METHOD_NOT_FOUND, Malformed, Notification, Reply, Request

__all__ = ["AcpProvider"]

_EVENT_CAPACITY: Final = 64
_MALFORMED_REPORTS: Final = 5


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
        return self._connected(request)

    @asynccontextmanager
    async def _connected(self, request: SessionRequest) -> AsyncGenerator[AgentConnection]:
        failure: Exception | None = None
        async with (
            agent_process(
                self._command,
                workspace=request.workspace,
                env=self._env,
                grace_seconds=self._end_grace_seconds,
            ) as process,
            anyio.create_task_group() as tasks,
        ):
            connection = _AcpConnection(process, request, deadline_seconds=self._request_deadline_seconds)
            tasks.start_soon(connection.run)
            try:
                await connection.open(self._start_deadline_seconds)
                yield connection
            except Exception as error:
                failure = error
            finally:
                await connection.close()
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure


class _AcpConnection:
    def __init__(self, process: AgentProcess, request: SessionRequest, *, deadline_seconds: float) -> None:
        self._process = process
        self._request = request
        self._deadline_seconds = deadline_seconds
        self._peer = JsonRpcPeer(
            name=process.program, incoming=process.stdout, outgoing=process.stdin, handle=self._handle
        )
        self._events = EventQueue(_EVENT_CAPACITY)
        self._conversation: Conversation | None = None
        self._session_id: ProviderThreadId | None = None
        self._agent = AgentFeatures()
        self._malformed_reports = 0
        self._asked = False
        self._over = False

    @property
    def process(self) -> ProcessIdentity:
        return self._process.identity

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(resume=self._agent.can_load or self._agent.can_resume, approvals=True)

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        return None if self._session_id is None else {"sessionId": self._session_id}

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        return self._events

    async def run(self) -> None:
        """Read the agent to its end, end what is left of its group, and report its exit last."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._process.watch)
                await self._read()
                await self._process.end()
        finally:
            self._events.end(
                SessionExited(
                    asked=self._asked,
                    exit_code=self._process.exit_code,
                    stderr_tail=self._process.stderr_tail,
                )
            )

    async def open(self, start_deadline_seconds: float) -> None:
        """Agree on the protocol and open the conversation. Raises as `Provider.connect` does."""
        try:
            self._agent = await initialize(self._peer, deadline_seconds=start_deadline_seconds)
            session_id = await open_session(
                self._peer, self._agent, self._request, deadline_seconds=self._deadline_seconds
            )
        except ReplyOverdue as error:
            raise ProviderUnavailable(f"{self._process.program} did not come up: {error}") from error
        except SessionLost as error:
            await self._process.end()
            await self._process.stderr_drained()
            code, words = self._process.exit_code, self._process.stderr_tail.strip()
            raise ProviderUnavailable(
                f"{self._process.program} exited with code {code} before it was ready: {words or 'no last words'}"
            ) from error
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
        if not conversation.running:
            return
        step = conversation.interrupted()
        self._report_nowait(step)
        with self._write_deadline():
            await self._peer.notify("session/cancel", {"sessionId": self._session_id})
            await self._answer(step)

    async def respond(self, request: ApprovalRequestId, decision: ApprovalDecision) -> None:
        step = self._opened().decided(request, decision)
        self._report_nowait(step)
        with self._write_deadline():
            await self._answer(step)

    async def close(self) -> None:
        if not self._over and self._process.exit_code is None:
            self._asked = True
        await self._process.end()

    async def _read(self) -> None:
        try:
            await self._peer.run()
        except ProviderError as error:
            await self._events.put(RuntimeErrorReported(message=str(error), fatal=True))
        self._over = True
        if self._conversation is not None:
            for event in self._conversation.cut_off().events:
                await self._events.put(event)

    async def _handle(self, message: Request | Notification | Malformed) -> None:
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
            case Malformed():
                await self._report_malformed(message)
            case Notification():
                pass

    async def _perform(self, step: Step) -> None:
        for event in step.events:
            await self._events.put(event)
        with self._write_deadline():
            await self._answer(step)

    async def _turn_ended(self, reply: Reply) -> None:
        await self._perform(self._opened().replied(reply))

    async def _refuse(self, request: Request) -> None:
        with self._write_deadline():
            await self._peer.refuse(request.id, METHOD_NOT_FOUND, f"this client does not offer {request.method}")

    async def _answer(self, step: Step) -> None:
        for answer in step.answers:
            await self._peer.respond(answer.id, answer.value)

    def _report_nowait(self, step: Step) -> None:
        for event in step.events:
            self._events.put_nowait(event)

    async def _report_malformed(self, line: Malformed) -> None:
        self._malformed_reports += 1
        if self._malformed_reports <= _MALFORMED_REPORTS:
            await self._events.put(
                RuntimeErrorReported(
                    message=f"{self._process.program} sent a line that is no message: {line.fault}",
                    detail={"excerpt": line.excerpt},
                )
            )

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

    @contextmanager
    def _write_deadline(self) -> Iterator[None]:
        try:
            with anyio.fail_after(self._deadline_seconds):
                yield
        except TimeoutError:
            raise SessionLost(
                f"{self._process.program} did not read its input for {self._deadline_seconds:g} s"
            ) from None
