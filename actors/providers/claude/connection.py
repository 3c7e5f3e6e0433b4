"""One living Claude Code process behind the SDK's client.

A `ClaudeConnection` joins four parts: the process, the SDK's client over our transport, the `ClaudeConversation`, and
the queue of events. One task reads the agent's messages in their order (`run`); the SDK answers and awaits control
requests in tasks of its own, which it ends with `disconnect`. The conversation is a value: each message replaces it
with the next one, without an await in between.

The id of a new session is chosen here, so its resume cursor is known before the first turn. The agent writes its
transcript late: if it is killed in the first seconds of its first turn it may have none, and refuses to resume.
Importing this module needs the extra `claude`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)

from ....contracts.errors import (
    ProviderError,
    ProviderProtocolError,
    ProviderUnavailable,
    ResumeRefused,
    SessionLost,
)
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ....contracts.provider_events import (
    RuntimeErrorReported,
    SessionNotice,
    SessionStarted,
)
from ....contracts.values import ApprovalDecision, JsonObject
from ...served_time import served_deadline
from ..adapter import Capabilities, TurnRequest
from ..failures import ProviderFailure
from ..json_lines import Malformed, loose_json
from ..loose_json import object_of
from ..process.agent_process import AgentProcess
from ..process.connection import ProcessConnection
from ..redaction import plain
from ..session_notices import failed_server
from .control_requests import ControlRequests
from .failures import LOGIN, claude_failure
from .lines import REFUSED, claude_lines
from .permissions import NOBODY_TO_ASK, NOT_SHOWN, TOO_MANY_OPEN, PendingDecision, has_room, offered_options
from .prompts import prompt_of, single_message
from .protocol import ClaudeConversation
from .questions import QUESTION_TOOL, read_questions
from .session import ClaudeSession
from .session_info import read_server_info
from .steps import ClaudeStep
from .transport import ProcessTransport

__all__ = ["ClaudeConnection"]

_CONTROL: Final = frozenset({"control_request", "control_response", "control_cancel_request"})
_MAX_PRINTED_BYTES: Final = 2048


class ClaudeConnection(ProcessConnection):
    def __init__(
        self,
        process: AgentProcess,
        *,
        session: ClaudeSession,
        resumes: bool,
        model: str | None,
        mode: str,
        mcp_servers: JsonObject,
        deadline_seconds: float,
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._resumes = resumes
        self._mode = mode
        self._mcp_servers = mcp_servers
        self._default_model = self._model = model
        self._effort: str | None = None
        self._transport = ProcessTransport(process, deadline_seconds=deadline_seconds)
        self._client = ClaudeSDKClient(
            ClaudeAgentOptions(can_use_tool=self._request_permission), transport=self._transport
        )
        self._conversation = ClaudeConversation(session=session)
        self._decisions: dict[ApprovalRequestId, PendingDecision] = {}
        self._own_requests = ControlRequests()
        self._tasks: TaskGroup | None = None
        self._refusal: ProviderFailure | None = None
        self._opened = False
        self._printed_first = ""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(resume=True, model_switch=True)

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._conversation.session.session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        return self._conversation.session.cursor()

    async def open(self, start_deadline_seconds: float) -> None:
        """Initialize the agent through the SDK. Raises as `Provider.connect` does."""
        program = self._process.program
        try:
            with served_deadline(start_deadline_seconds):
                await self._client.connect()
        except TimeoutError as error:
            raise ProviderUnavailable(
                f"{program} did not start: no answer within {start_deadline_seconds:g} s"
            ) from error
        except Exception as error:
            if not self._over and not isinstance(error, SessionLost):
                raise ProviderProtocolError(
                    f"{program} does not follow the protocol of the Claude Agent SDK: {error}"
                ) from error
            await self._process.end()
            await self._process.wait_stderr_drained()
            refusal = self._refusal
            if refusal is not None and refusal.reason == "unauthenticated":
                message = f"{program} requires a login: {refusal.text}"
                raise ProviderUnavailable(message, reason=refusal.reason, login=[LOGIN]) from error
            if self._resumes and refusal is not None:
                session = self._conversation.session
                named = session.branch_of or session.session_id
                raise ResumeRefused(f"the agent does not resume {named!r}: {refusal.text}") from error
            output = refusal.text if refusal is not None else self._process.stderr_tail.strip()
            if self._printed_first:
                output = f"{output or 'it wrote nothing to standard error'}; its output begins: {self._printed_first}"
            because = f"exited with code {self._process.exit_code} before it was ready"
            raise ProviderUnavailable(
                f"{program} {because}: {output or 'it wrote nothing to standard error'}",
                reason="agent_crashed" if refusal is None else refusal.reason,
            ) from error
        notices = await self._set_mcp_servers(start_deadline_seconds)
        self._opened = True
        self._events.put_nowait(SessionStarted(provider_thread_id=self.provider_thread_id))
        for notice in notices:
            self._events.put_nowait(notice)
        info = read_server_info(await self._client.get_server_info(), mode=self._mode)
        self._conversation, events = self._conversation.set_info(info)
        for event in events:
            self._events.put_nowait(event)

    async def start_turn(self, turn: TurnRequest) -> None:
        self._raise_if_over()
        prompt = prompt_of(turn)
        self._conversation = self._conversation.begin_turn(prompt["uuid"])
        try:
            await self._switch_model_and_effort(turn.model or self._default_model, turn.effort)
            await self._client.query(single_message(prompt))
        except BaseException:
            self._conversation = self._conversation.abandon_turn()
            raise

    async def interrupt(self) -> None:
        self._raise_if_over()
        self._conversation, step = self._conversation.interrupt_turn()
        self._perform_nowait(step)

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        self._raise_if_over()
        if request in self._decisions:
            self._decisions[request].take_answers(decision, answers)
        self._conversation, step = self._conversation.answer_permission(request, decision, option)
        self._decisions[request].make(decision, option)
        self._perform_nowait(step)

    async def close(self) -> None:
        self._note_end_requested()
        await self._client.disconnect()
        await self._process.end()

    async def _read(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            await self._read_messages()
            self._tasks.cancel_scope.cancel()

    async def _read_messages(self) -> None:
        lines = claude_lines()
        try:
            async for chunk in self._process.stdout:
                for message in lines.feed(chunk):
                    await self._handle(message)
        except ProviderError as error:
            await self._events.put(RuntimeErrorReported(message=str(error), fatal=True))
        except anyio.ClosedResourceError:
            pass
        finally:
            self._printed_first = plain(lines.printed_first, max_bytes=_MAX_PRINTED_BYTES)
            self._over = True
            self._conversation = self._conversation.abandon_turn()
            self._transport.end()
            self._own_requests.lose()

    async def _handle(self, message: JsonObject | Malformed) -> None:
        if isinstance(message, Malformed):
            await self._report_malformed(message)
            return
        with self.ledger.count(lambda: self._conversation.ignored.total):
            await self._handle_message(message)

    async def _handle_message(self, message: JsonObject) -> None:
        if message.get("type") == REFUSED:
            assert self._tasks is not None, "a connection reads in its own tasks"
            self.ledger.note_effect()
            self._tasks.start_soon(self._send_refusal, object_of(message.get("answer")))
        elif message.get("type") in _CONTROL:
            response = object_of(message.get("response"))
            self.ledger.note_effect()
            if not self._own_requests.settle(response):
                await self._transport.forward(message)
        elif not self._opened and message.get("type") == "result" and message.get("is_error") is True:
            self.ledger.note_effect()
            self._refusal = claude_failure(message)
        else:
            self._conversation, step = self._conversation.take_message(message)
            if step.events or step.interrupt:
                self.ledger.note_effect()
            for event in step.events:
                await self._events.put(event)
            if step.interrupt:
                self._interrupt_soon()

    async def _request_permission(
        self, tool_name: str, given: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResultAllow | PermissionResultDeny:
        """The SDK's question, answered by `respond`; the SDK cancels it when the agent does not wait any more."""
        form = read_questions(given) if tool_name == QUESTION_TOOL else None
        if tool_name == QUESTION_TOOL and form is None:
            return PermissionResultDeny(message=NOT_SHOWN)
        options = offered_options(context.suggestions) if form is None else ()
        size = len(loose_json(given))
        if not has_room(self._decisions.values(), size):
            return PermissionResultDeny(message=TOO_MANY_OPEN)
        self._conversation, request, step = self._conversation.take_permission_request(
            tool_name,
            given,
            tool_use_id=context.tool_use_id,
            reason=context.decision_reason,
            options=options,
            form=form,
        )
        if request is None:
            return PermissionResultDeny(message=NOBODY_TO_ASK)
        decision = self._decisions[request] = PendingDecision(size, given, None if form is None else form.fields)
        self._perform_nowait(step)
        try:
            return await decision.result(tool_name, context.suggestions)
        finally:
            del self._decisions[request]
            self._conversation, step = self._conversation.withdraw_permission(request)
            self._perform_nowait(step)

    async def _send_refusal(self, message: JsonObject) -> None:
        """Write in a task of its own, since the task that reads must not wait for the agent to read."""
        with suppress(SessionLost):
            await self._transport.write(json.dumps(message) + "\n")

    def _perform_nowait(self, step: ClaudeStep) -> None:
        for event in step.events:
            self._events.put_nowait(event)
        if step.interrupt:
            self._interrupt_soon()

    def _interrupt_soon(self) -> None:
        """Interrupt in a task of its own: the reply is read by the task that reads, which may be the caller."""
        assert self._tasks is not None, "a connection is handed out while it reads"
        self._tasks.start_soon(self._interrupt)

    async def _interrupt(self) -> None:
        try:
            await self._within_deadline("interrupt", self._client.interrupt)
        except SessionLost:
            return
        except ProviderError as error:
            self._events.put_nowait(RuntimeErrorReported(message=str(error)))

    async def _switch_model_and_effort(self, model: str | None, effort: str | None) -> None:
        if model != self._model:
            await self._within_deadline(f"model {model!r}", lambda: self._client.set_model(model))
            self._model = model
        if effort != self._effort:
            await self._within_deadline(f"effort {effort!r}", lambda: self._set_effort(effort))
            self._effort = effort

    async def _set_effort(self, effort: str | None) -> None:
        """Send a control request for which the SDK's client has no method."""
        request = {"subtype": "apply_flag_settings", "settings": {"effortLevel": effort}}
        await self._own_requests.send(self._transport, request)

    async def _set_mcp_servers(self, deadline_seconds: float) -> list[SessionNotice]:
        """Give the agent its MCP servers, and return a notice for each that does not work."""
        if not self._mcp_servers:
            return []
        errors: JsonObject = {}

        async def send() -> None:
            request: JsonObject = {"subtype": "mcp_set_servers", "servers": self._mcp_servers}
            reply = await self._own_requests.send(self._transport, request)
            errors.update(object_of(object_of(reply.get("response")).get("errors")))

        await self._within_deadline("its MCP servers", send, seconds=deadline_seconds)
        return [failed_server(name, str(error)) for name, error in errors.items()]

    async def _within_deadline(
        self, what: str, ask: Callable[[], Awaitable[None]], *, seconds: float | None = None
    ) -> None:
        seconds = self._deadline_seconds if seconds is None else seconds
        try:
            with served_deadline(seconds):
                await ask()
        except SessionLost:
            raise
        except TimeoutError:
            raise ProviderProtocolError(f"the agent did not answer within {seconds:g} s: {what}") from None
        except Exception as error:  # the SDK raises a plain Exception for what the agent refuses
            self._raise_if_over()
            raise ProviderProtocolError(f"the agent refused {what}: {error}") from error

    def _raise_if_over(self) -> None:
        if self._over or self._end_requested:
            raise SessionLost(f"{self._process.program} is gone")
