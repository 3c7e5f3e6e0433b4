"""Codex through its app-server, which speaks JSON-RPC without the `jsonrpc` member on standard input and output.

A `_CodexConnection` is a `StdioConnection` that holds a `CodexConversation`, which knows the protocol, and replaces it.
The program that is started is the native one: behind its Node launcher it would outlive the launcher's death with the
thread's writer lock.

A Codex whose home is new sets it up as it starts, and two that do so at once fail: first starts come one after the
other (`first_start`).

A turn's model and effort hold for that turn. Codex keeps them for the turns that follow, so every turn names its
model, and its effort once one was named.

Going back in a conversation is done by a process of its own, whose thread nobody else has open then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import anyio
import attrs

from ....contracts.errors import ProviderError, ProviderProtocolError, ProviderUnavailable, SessionLost
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId, TurnId
from ....contracts.provider_events import ProviderRuntimeEvent, SessionStarted
from ....contracts.values import ApprovalDecision, JsonObject
from ..adapter import AgentConnection, Capabilities, SessionRequest, TurnRequest
from ..jsonrpc.protocol import JsonRpcProtocol, Notification, Reply, Request
from ..jsonrpc.stdio_connection import StdioConnection
from ..jsonrpc.steps import RpcStep
from ..process.agent_command import checked_command
from ..process.agent_process import AgentProcess
from ..process.connection import connected
from ..process.environment import Environment, Inherited
from ..process.first_start import FirstStart
from ..process.launch import launched
from .handshake import ApprovalPolicy, OpenThread, SandboxMode, default_effort, initialize, open_thread
from .history import Found, find_first, revert_before
from .program import find_codex
from .protocol import CodexConversation
from .watch import TurnWatch, ended_turn

__all__ = ["CODEX_ENVIRONMENT", "ApprovalPolicy", "CodexProvider", "SandboxMode"]

CODEX_ENVIRONMENT: Final = ("CODEX_*", "OPENAI_*", "AZURE_OPENAI_*", "RUST_LOG")
"""What Codex itself reads of its environment."""


@attrs.frozen(kw_only=True)
class _Settings:
    sandbox: SandboxMode
    approval_policy: ApprovalPolicy
    model: str | None
    request_deadline_seconds: float


class CodexProvider:
    """Starts `command` for each session, by default the program of the `openai-codex` package with `app-server`.

    Of the host's environment passes what `inherit_env` names, by default `INHERITED` and `CODEX_ENVIRONMENT`; `env` is
    laid over it, where None removes a variable. `shared_programs` are the command lines, with `*` and `?`, of daemons
    that the agents share: they are not ended with the agent that started them.

    `sandbox` and `approval_policy` bound what the agent does without asking, in new and in resumed threads; `model` is
    the one of turns that name none, None the one of Codex's own configuration. `start_deadline_seconds` bounds the
    start up to the agent's `initialize` reply, `request_deadline_seconds` every later request and every write,
    `end_grace_seconds` each step of ending the process.
    """

    keeps_deadlines: Final = True

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        name: str = "codex",
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        sandbox: SandboxMode = "workspace-write",
        approval_policy: ApprovalPolicy = "on-request",
        model: str | None = None,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._command = None if command is None else checked_command(command)
        self._name = name
        self._launch = launched(
            env=env,
            inherit_env=inherit_env,
            own_env=CODEX_ENVIRONMENT,
            shared_programs=shared_programs,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
        )
        self._settings = _Settings(
            sandbox=sandbox,
            approval_policy=approval_policy,
            model=model,
            request_deadline_seconds=request_deadline_seconds,
        )
        self._first_start = FirstStart()

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "codex"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped.

        Without a command, a missing `openai-codex` package is a `ProviderUnavailable` that says how to install it.
        """
        return self._connected(request)

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """As `RollsBack.can_forget`."""
        async with self._connected(request) as connection:
            return (await connection.find_first(turns)).is_certain

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """As `RollsBack.forget`. What is left may be an empty thread, which is gone on with as well."""
        async with self._connected(request) as connection:
            await connection.forget(turns)
            return connection.resume_cursor

    @asynccontextmanager
    async def _connected(self, request: SessionRequest) -> AsyncGenerator[_CodexConnection]:
        opening = connected(
            self._command or _bundled_command(),
            request=request,
            launch=self._launch,
            connection_over=lambda process: _CodexConnection(process, request, self._settings),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.entered(opening, stack)


class _CodexConnection(StdioConnection):
    def __init__(self, process: AgentProcess, request: SessionRequest, settings: _Settings) -> None:
        super().__init__(
            process,
            deadline_seconds=settings.request_deadline_seconds,
            protocol=JsonRpcProtocol(jsonrpc_member=False),
        )
        self._request = request
        self._settings = settings
        self._thread: OpenThread | None = None
        self._conversation: CodexConversation | None = None
        self._watch = TurnWatch()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(resume=True, model_switch=True)

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return None if self._thread is None else self._thread.thread_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        return None if self._thread is None else self._thread.cursor()

    async def open(self, start_deadline_seconds: float) -> None:
        async with self._reporting_start_failures():
            await initialize(self._peer, deadline_seconds=start_deadline_seconds)
            thread = await open_thread(
                self._peer,
                self._request,
                sandbox=self._settings.sandbox,
                approval_policy=self._settings.approval_policy,
                model=self._settings.model,
                deadline_seconds=self._deadline_seconds,
            )
        self._thread = thread
        self._conversation = CodexConversation(thread_id=thread.thread_id)
        self._started(SessionStarted(provider_thread_id=thread.thread_id))

    async def start_turn(self, turn: TurnRequest) -> None:
        thread, conversation = self._opened()
        self._become(conversation.begin_turn())
        try:
            params = await self._turn_params(thread, turn)
            with self._write_deadline():
                await self._peer.send_request("turn/start", params, on_reply=self._turn_replied)
        except BaseException:
            self._become(self._opened()[1].cut_off())
            raise

    async def find_first(self, turns: Collection[TurnId]) -> Found:
        """Where the first of these turns stands; a thread without a turn has none of them."""
        thread, _ = self._opened()
        if thread.unused:
            return Found(first=None, is_certain=True)
        return await find_first(self._peer, thread.thread_id, turns, deadline_seconds=self._deadline_seconds)

    async def forget(self, turns: Collection[TurnId]) -> None:
        """Forget the first of these turns that the thread has, and all that came after it.

        Raises:
            ProviderProtocolError: the agent did not.
            SessionLost: it is gone.
        """
        found = await self.find_first(turns)
        if not found.is_certain:
            raise ProviderProtocolError(f"{self._process.program} cannot tell which turns it is to forget")
        if found.first is not None:
            thread, _ = self._opened()
            await revert_before(self._peer, thread.thread_id, found.first, deadline_seconds=self._deadline_seconds)

    async def interrupt(self) -> None:
        _, conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(self._become(conversation.interrupted()))

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        _, conversation = self._opened()
        await self._carry_out(self._become(conversation.decided(request, decision, option)))

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._settle_missing_ends)
            await super().run()
            tasks.cancel_scope.cancel()

    async def _settle_missing_ends(self) -> None:
        """Ask what became of a turn when the agent is idle or falls silent: its end may never be reported."""
        watch = self._watch
        while True:
            await watch.due()
            conversation = self._conversation
            turn_id = None if conversation is None else conversation.running_turn
            if conversation is None or turn_id is None or self._over:
                continue
            with suppress(ProviderError):
                turn = await ended_turn(
                    self._peer, conversation.thread_id, turn_id, deadline_seconds=self._deadline_seconds
                )
                if turn is not None:
                    await self._perform(self._become(self._opened()[1].settled(turn_id, turn)))

    async def _take(self, message: Request | Notification) -> None:
        self._watch.heard(message)
        conversation = self._conversation
        match message:
            case Notification(method=method, params=params):
                if conversation is not None:
                    await self._perform(self._become(conversation.notified(method, params)), of=params)
            case Request(id=request_id, method=method, params=params):
                step = None
                if conversation is not None:
                    self._conversation, step = conversation.asked(request_id, method, params)
                if step is None:
                    await self._refuse(message)
                else:
                    await self._perform(step)

    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        return () if self._conversation is None else self._become(self._conversation.cut_off()).events

    async def _turn_replied(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened()[1].replied(reply)))

    async def _call_replied(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened()[1].interrupt_replied(reply)))

    async def _perform(self, step: RpcStep, *, of: Any = None) -> None:
        thread, conversation = self._opened()
        if thread.unused and conversation.had_turn:
            self._thread = attrs.evolve(thread, unused=False)
        await super()._perform(step, of=of)

    async def _turn_params(self, thread: OpenThread, turn: TurnRequest) -> JsonObject:
        effort = turn.effort or thread.effort
        if effort is None and thread.current_effort is not None:
            effort = await default_effort(
                self._peer, turn.model or thread.model, deadline_seconds=self._deadline_seconds
            )
        self._thread = attrs.evolve(thread, current_effort=effort or thread.current_effort)
        said: list[JsonObject] = [{"type": "text", "text": turn.text}]
        said += [{"type": "image", "url": image.data_url} for image in turn.attachments]
        chosen = (("model", turn.model or thread.model), ("effort", effort), ("clientUserMessageId", turn.turn_id))
        return {
            "threadId": thread.thread_id,
            "input": said,
            **{key: value for key, value in chosen if value is not None},
        }

    def _become(self, transition: tuple[CodexConversation, RpcStep]) -> RpcStep:
        """Hold the conversation after an input, and return what follows from it."""
        self._conversation, step = transition
        return step

    def _opened(self) -> tuple[OpenThread, CodexConversation]:
        assert self._thread is not None, "a connection is handed out after its thread is open"
        assert self._conversation is not None, "a connection is handed out after its thread is open"
        return self._thread, self._conversation


def _bundled_command() -> tuple[str, ...]:
    program = find_codex()
    if program is None:
        raise ProviderUnavailable("Codex is not installed: pip install 'orchestrion[codex]'")
    return (str(program), "app-server")
