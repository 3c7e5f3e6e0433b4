"""A connection to an agent that speaks JSON-RPC on its standard input and output: what its adapters have in common.

It joins the process, the peer over its pipes and the queue of events. What the agent says is handled by the task that
reads; what the runtime asks is written from the caller's task, under a deadline. An adapter adds what the messages
mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from ...runtime.contracts.errors import ProviderError, ProviderUnavailable, SessionLost
from ...runtime.contracts.provider_events import ProviderRuntimeEvent, RuntimeErrorReported
from .agent_process import AgentProcess
from .json_lines import Malformed
from .jsonrpc import JsonRpcPeer, ReplyOverdue
from .jsonrpc_protocol import METHOD_NOT_FOUND, JsonRpcProtocol, Notification, Reply, Request
from .process_connection import ProcessConnection
from .steps import Step

__all__ = ["StdioConnection"]


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

    @abstractmethod
    async def _take(self, message: Request | Notification) -> None:
        """Do what a message of the agent asks for."""

    @abstractmethod
    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        """What is still to be told of a turn whose agent is gone."""

    async def _call_replied(self, reply: Reply) -> None:
        """Take the reply to a call of a step."""

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

    async def _send(self, step: Step) -> None:
        with self._write_deadline():
            for notification in step.notifications:
                await self._peer.notify(notification.method, notification.params)
            for answer in step.answers:
                await self._peer.respond(answer.id, answer.value)
            for call in step.calls:
                await self._peer.send_request(call.method, call.params, on_reply=self._call_replied)

    async def _read(self) -> None:
        try:
            await self._peer.run()
        except ProviderError as error:
            await self._events.put(RuntimeErrorReported(message=str(error), fatal=True))
        self._over = True
        for event in self._cut_off():
            await self._events.put(event)

    async def _handle(self, message: Request | Notification | Malformed) -> None:
        if isinstance(message, Malformed):
            await self._report_malformed(message)
        else:
            await self._take(message)

    async def _refuse(self, request: Request) -> None:
        with self._write_deadline():
            await self._peer.refuse(request.id, METHOD_NOT_FOUND, f"this client does not offer {request.method}")

    @asynccontextmanager
    async def _coming_up(self) -> AsyncGenerator[None]:
        """Around the first requests: an agent that does not answer, or is gone, is unavailable."""
        try:
            yield
        except ReplyOverdue as error:
            raise ProviderUnavailable(f"{self._process.program} did not come up: {error}") from error
        except SessionLost as error:
            await self._process.end()
            await self._process.stderr_drained()
            code, words = self._process.exit_code, self._process.stderr_tail.strip()
            raise ProviderUnavailable(
                f"{self._process.program} exited with code {code} before it was ready: {words or 'no last words'}"
            ) from error

    @contextmanager
    def _write_deadline(self) -> Iterator[None]:
        try:
            with anyio.fail_after(self._deadline_seconds):
                yield
        except TimeoutError:
            raise SessionLost(
                f"{self._process.program} did not read its input for {self._deadline_seconds:g} s"
            ) from None
