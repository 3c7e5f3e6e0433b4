"""A connection to an agent that uses JSON-RPC on its standard input and output: the base of its adapters.

It joins the process, the peer over its pipes and the queue of events. The reading task handles the agent's messages;
requests of the runtime are written from the caller's task, under a deadline. An adapter adds the meaning of messages.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import attrs

from ....contracts.errors import ProviderError, ProviderUnavailable, SessionLost
from ....contracts.provider_events import (
    ProviderRuntimeEvent,
    RuntimeErrorReported,
    SessionNotice,
    SessionStarted,
)
from ....contracts.values import JsonObject
from ....domain.event_bounds import bounded_event
from ...served_time import served_deadline
from ..json_lines import Malformed
from ..process.agent_process import AgentProcess
from ..process.connection import ProcessConnection
from ..redaction import plain
from .peer import JsonRpcPeer, ReplyOverdue
from .protocol import METHOD_NOT_FOUND, JsonRpcProtocol, Notification, Reply, Request
from .steps import RpcStep

__all__ = ["StdioConnection"]

_MAX_QUOTED: Final = 2 * 1024
_QUOTED_LINES: Final = 10


class StdioConnection(ProcessConnection):
    def __init__(
        self, process: AgentProcess, *, deadline_seconds: float, protocol: JsonRpcProtocol | None = None
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._peer = JsonRpcPeer(
            name=process.program,
            incoming=process.stdout,
            outgoing=process.stdin,
            handle=self._handle,
            protocol=protocol,
        )
        self._broken: str | None = None
        self._printed_lines = 0
        self._notices: list[SessionNotice] = []

    @property
    def heard_at(self) -> float:
        """As `SignsOfLife.heard_at`."""
        return self._peer.heard_at

    @abstractmethod
    async def _handle_message(self, message: Request | Notification) -> None:
        """Handle a message of the agent."""

    @property
    @abstractmethod
    def _ignored_total(self) -> int:
        """How many messages the conversation has counted by kind, because they led to no event."""

    @abstractmethod
    def _abandon_turn(self) -> Iterable[ProviderRuntimeEvent]:
        """End the turn of an agent that is gone; returns the last events of it."""

    async def _take_call_reply(self, reply: Reply) -> None:
        """Take the reply to a call of a step."""

    async def _perform(self, step: RpcStep, *, of: Any = None) -> None:
        """Perform the step of a message. If the runtime is slow to read events, the agent waits.

        Only bounded events are held meanwhile. `of` is the message's content, which is emptied.
        """
        if step.events or step.notifications or step.answers or step.calls:
            self.ledger.note_effect()
        events = [bounded_event(event) for event in step.events]
        step = attrs.evolve(step, events=())
        if isinstance(of, dict):
            of.clear()
        for event in events:
            await self._events.put(event)
        await self._send(step)

    async def _carry_out(self, step: RpcStep) -> None:
        """Perform the step of a call of the runtime. It must not wait for room: the caller may read the events."""
        for event in step.events:
            self._events.put_nowait(event)
        await self._send(step)

    async def _send(self, step: RpcStep) -> None:
        if not (step.notifications or step.answers or step.calls):  # a deadline costs as much as handling the message
            return
        with self._write_deadline():
            for notification in step.notifications:
                await self._peer.notify(notification.method, notification.params)
            for answer in step.answers:
                await self._peer.respond(answer.id, answer.value)
            for call in step.calls:
                await self._peer.send_request(call.method, call.params, on_reply=self._take_call_reply)

    async def _read(self) -> None:
        try:
            await self._peer.run()
        except ProviderError as error:
            self._broken = str(error)
            await self._events.put(RuntimeErrorReported(message=str(error), fatal=True, reason="protocol"))
        self._over = True
        for event in self._abandon_turn():
            await self._events.put(event)

    async def _handle(self, message: Request | Notification | Malformed) -> None:
        if isinstance(message, Malformed) and message.early:
            self._printed_lines += 1
        elif isinstance(message, Malformed):
            await self._report_malformed(message)
        else:
            with self.ledger.count(lambda: self._ignored_total):
                await self._handle_message(message)

    async def _refuse(self, request: Request) -> None:
        self.ledger.note_effect()
        with self._write_deadline():
            await self._peer.refuse(request.id, METHOD_NOT_FOUND, f"this client does not offer {request.method}")

    @asynccontextmanager
    async def _reporting_start_failures(self) -> AsyncGenerator[None]:
        """Around the first requests: raise `ProviderUnavailable` for an agent that does not answer, or is gone.

        The error quotes the agent's output that was not a message, and the end of its standard error. Output before the
        first message becomes a notice.
        """
        try:
            yield
        except ReplyOverdue as error:
            because = f"did not start: {error}"
            raise ProviderUnavailable(self._with_output(because), reason="unresponsive") from error
        except SessionLost as error:
            await self._process.end()
            await self._process.wait_stderr_drained()
            if self._broken is not None:
                because = f"did not start: {self._broken}"
                raise ProviderUnavailable(self._with_output(because), reason="protocol") from error
            because = f"{_ending(self._process.exit_code)} before it was ready"
            raise ProviderUnavailable(self._with_output(because), reason="agent_crashed") from error
        if self._printed_lines:
            noun = "line" if self._printed_lines == 1 else "lines"
            printed = f"The agent printed {self._printed_lines} {noun} before its first message"
            detail: JsonObject = {"lines": self._printed_lines, "text": self._peer.printed_first}
            self._notices.append(SessionNotice(kind="session.notice", summary=printed, detail=detail))

    def _report_started(self, started: SessionStarted) -> None:
        """Report that the conversation is open, and then the notices about it."""
        self._events.put_nowait(started)
        for notice in self._notices:
            self._events.put_nowait(notice)
        self._notices.clear()

    def _with_output(self, because: str) -> str:
        errors = self._process.stderr_tail.strip()[-_MAX_QUOTED:]
        printed = "\n".join(self._peer.printed_first.splitlines()[:_QUOTED_LINES])
        sentence = f"{self._process.program} {because}: {errors or 'it wrote nothing to standard error'}"
        return f"{sentence}; its output begins: {plain(printed, max_bytes=_MAX_QUOTED)}" if printed else sentence

    @contextmanager
    def _write_deadline(self) -> Iterator[None]:
        try:
            with served_deadline(self._deadline_seconds):
                yield
        except TimeoutError:
            raise SessionLost(
                f"{self._process.program} did not read its input for {self._deadline_seconds:g} s",
                reason="unresponsive",
            ) from None


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "ended its output"
    return f"was ended by signal {-exit_code}" if exit_code < 0 else f"exited with code {exit_code}"
