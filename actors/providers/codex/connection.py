"""One app-server of Codex: a `StdioConnection` with a `CodexConversation`, which implements the protocol as a value.

The app-server uses JSON-RPC without the `jsonrpc` member. A turn's model and effort apply to that turn. Codex keeps
them for later turns, so every turn names its model, and its effort once one was named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

import anyio
import attrs

from ....contracts.errors import ProviderError, ProviderProtocolError, SessionLost
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId, TurnId
from ....contracts.provider_events import ProviderRuntimeEvent, SessionStarted
from ....contracts.values import ApprovalDecision, JsonObject
from ...served_time import served_deadline
from ..adapter import Capabilities, SteerRequest, TurnRequest
from ..jsonrpc.protocol import JsonRpcProtocol, Notification, Reply, Request
from ..jsonrpc.stdio_connection import StdioConnection
from ..jsonrpc.steps import RpcStep
from ..loose_json import text_of
from ..process.agent_process import AgentProcess
from .handshake import OpenThread, initialize, open_thread, read_default_effort
from .history import FoundTurn, find_first_turn, revert_before
from .inputs import input_of
from .protocol import CodexConversation
from .session_info import first_info, with_lists
from .starting_servers import StartingServers
from .thread_params import server_names
from .watch import TurnWatch, read_ended_turn

__all__ = ["CodexConnection"]


class CodexConnection(StdioConnection):
    def __init__(
        self,
        process: AgentProcess,
        cursor: JsonObject | None,
        params: JsonObject,
        *,
        model: str | None,
        deadline_seconds: float,
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds, protocol=JsonRpcProtocol(jsonrpc_member=False))
        self._cursor = cursor
        self._params = params
        self._servers = StartingServers(server_names(params))
        self._model = model
        self._thread: OpenThread | None = None
        self._conversation: CodexConversation | None = None
        self._watch = TurnWatch()
        self._changed = anyio.Event()
        self._is_open = anyio.Event()
        self._early_messages = 0
        """Notifications before the thread was open: they are of no conversation."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(resume=True, model_switch=True, steer=True)

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
                self._cursor,
                self._params,
                model=self._model,
                deadline_seconds=self._deadline_seconds,
            )
        self._thread = thread
        self._conversation = CodexConversation(thread_id=thread.thread_id)
        self._report_started(SessionStarted(provider_thread_id=thread.thread_id))
        info = first_info(model=thread.model, policy=text_of(self._params.get("approvalPolicy")))
        for event in self._become(self._conversation.set_info(info)).events:
            self._events.put_nowait(event)
        await self._servers.wait(start_deadline_seconds)
        self._is_open.set()

    async def start_turn(self, turn: TurnRequest) -> None:
        thread, conversation = self._opened()
        self._become(conversation.begin_turn(model=turn.model or thread.model))
        try:
            params = await self._turn_params(thread, turn)
            with self._write_deadline():
                await self._peer.send_request("turn/start", params, on_reply=self._take_turn_reply)
        except BaseException:
            self._become(self._opened()[1].abandon_turn())
            raise

    async def find_first_turn(self, turns: Collection[TurnId]) -> FoundTurn:
        """Find the first of these turns; a thread without a turn has none of them."""
        thread, _ = self._opened()
        if thread.unused:
            return FoundTurn(first=None, is_certain=True)
        return await find_first_turn(self._peer, thread.thread_id, turns, deadline_seconds=self._deadline_seconds)

    async def forget(self, turns: Collection[TurnId]) -> None:
        """Forget the first of these turns that the thread has, and all that came after it.

        Raises:
            ProviderProtocolError: the agent refused, or cannot identify the turns.
            SessionLost: it is gone.
        """
        found = await self.find_first_turn(turns)
        if not found.is_certain:
            raise ProviderProtocolError(f"{self._process.program} cannot identify the turns that it is to forget")
        if found.first is not None:
            thread, _ = self._opened()
            await revert_before(self._peer, thread.thread_id, found.first, deadline_seconds=self._deadline_seconds)

    async def steer(self, request: SteerRequest) -> None:
        """As `Steers.steer`. Waits for the id of a turn that the agent has not named yet."""
        try:
            with served_deadline(self._deadline_seconds):
                while (turn_id := self._opened()[1].running_turn) is None and self._opened()[1].running:
                    await self._changed.wait()
        except TimeoutError:
            turn_id = None
        if turn_id is None:
            raise ProviderProtocolError("no turn runs that could take the message")
        params = {
            "threadId": self._opened()[0].thread_id,
            "expectedTurnId": turn_id,
            "input": _input(request),
            "clientUserMessageId": request.message_id,
        }
        await self._peer.request("turn/steer", params, deadline_seconds=self._deadline_seconds)

    async def interrupt(self) -> None:
        _, conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(self._become(conversation.interrupt_turn()))

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        _, conversation = self._opened()
        await self._carry_out(self._become(conversation.answer_request(request, decision, option, answers)))

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._settle_missing_ends)
            tasks.start_soon(self._read_info)
            await super().run()
            tasks.cancel_scope.cancel()

    async def _settle_missing_ends(self) -> None:
        """Read the state of a turn when the agent is idle or silent: its end may never be reported."""
        watch = self._watch
        while True:
            await watch.wait_until_due()
            conversation = self._conversation
            turn_id = None if conversation is None else conversation.running_turn
            if conversation is None or turn_id is None or self._over:
                continue
            with suppress(ProviderError):
                turn = await read_ended_turn(
                    self._peer, conversation.thread_id, turn_id, deadline_seconds=self._deadline_seconds
                )
                if turn is not None:
                    await self._perform(self._become(self._opened()[1].settle_turn(turn_id, turn)))

    async def _read_info(self) -> None:
        """Read the models and the account, once the thread is open: a turn does not wait for them."""
        await self._is_open.wait()
        with suppress(ProviderError):
            models = await self._peer.request("model/list", {}, deadline_seconds=self._deadline_seconds)
            account = await self._peer.request("account/read", {}, deadline_seconds=self._deadline_seconds)
            _, conversation = self._opened()
            await self._perform(self._become(conversation.set_info(with_lists(conversation.info, models, account))))

    async def _handle_message(self, message: Request | Notification) -> None:
        self._watch.note_message(message)
        self._servers.take(message)
        conversation = self._conversation
        match message:
            case Notification(method=method, params=params):
                if conversation is None:
                    self._early_messages += 1
                else:
                    await self._perform(self._become(conversation.take_notification(method, params)), of=params)
            case Request(id=request_id, method=method, params=params):
                step = None
                if conversation is not None:
                    self._conversation, step = conversation.take_request(request_id, method, params)
                if step is None:
                    await self._refuse(message)
                else:
                    await self._perform(step)

    @property
    def _ignored_total(self) -> int:
        return self._early_messages + (0 if self._conversation is None else self._conversation.ignored.total)

    def _abandon_turn(self) -> Iterable[ProviderRuntimeEvent]:
        self._servers.lose()
        return () if self._conversation is None else self._become(self._conversation.abandon_turn()).events

    async def _take_turn_reply(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened()[1].take_turn_reply(reply)))

    async def _take_call_reply(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened()[1].take_interrupt_reply(reply)))

    async def _perform(self, step: RpcStep, *, of: Any = None) -> None:
        thread, conversation = self._opened()
        if thread.unused and conversation.had_turn:
            self._thread = attrs.evolve(thread, unused=False)
        await super()._perform(step, of=of)

    async def _turn_params(self, thread: OpenThread, turn: TurnRequest) -> JsonObject:
        effort = turn.effort or thread.effort
        if effort is None and thread.current_effort is not None:
            effort = await read_default_effort(
                self._peer, turn.model or thread.model, deadline_seconds=self._deadline_seconds
            )
        self._thread = attrs.evolve(thread, current_effort=effort or thread.current_effort)
        chosen = (("model", turn.model or thread.model), ("effort", effort), ("clientUserMessageId", turn.turn_id))
        return {
            "threadId": thread.thread_id,
            "input": _input(turn),
            **{key: value for key, value in chosen if value is not None},
        }

    def _become(self, transition: tuple[CodexConversation, RpcStep]) -> RpcStep:
        """Keep the next conversation, and return its step."""
        self._conversation, step = transition
        self._changed.set()
        self._changed = anyio.Event()
        return step

    def _opened(self) -> tuple[OpenThread, CodexConversation]:
        assert self._thread is not None, "a connection is handed out after its thread is open"
        assert self._conversation is not None, "a connection is handed out after its thread is open"
        return self._thread, self._conversation


def _input(request: TurnRequest | SteerRequest) -> list[JsonObject]:
    images = [input_of(attachment) for attachment in request.attachments]
    return [{"type": "text", "text": request.text}, *images]
