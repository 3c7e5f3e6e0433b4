"""A connection to an agent that speaks JSON-RPC on its standard input and output: what its adapters have in common.

It joins the process, the peer over its pipes and the queue of events. What the agent says is handled in its order by
the one task that reads (`run`); what the runtime asks is written from the caller's task, under a deadline. An adapter
adds what the messages mean. `SessionExited` is the last event, whatever happened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import anyio
from anyio.abc import ObjectReceiveStream

from ...runtime.contracts.errors import ProviderError, ProviderUnavailable, SessionLost
from ...runtime.contracts.provider_events import ProviderRuntimeEvent, RuntimeErrorReported, SessionExited
from .adapter import ProcessIdentity
from .agent_process import AgentProcess, agent_process
from .event_queue import EventQueue
from .jsonrpc import JsonRpcPeer, ReplyOverdue
from .jsonrpc_protocol import METHOD_NOT_FOUND, JsonRpcProtocol, Malformed, Notification, Request

__all__ = ["StdioConnection", "connected"]

_EVENT_CAPACITY: Final = 64
_MALFORMED_REPORTS: Final = 5

C = TypeVar("C", bound="StdioConnection")


@asynccontextmanager
async def connected(
    command: Sequence[str],
    *,
    workspace: Path,
    env: Mapping[str, str] | None,
    start_deadline_seconds: float,
    end_grace_seconds: float,
    connection_over: Callable[[AgentProcess], C],
) -> AsyncGenerator[C]:
    """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
    failure: Exception | None = None
    async with (
        agent_process(command, workspace=workspace, env=env, grace_seconds=end_grace_seconds) as process,
        anyio.create_task_group() as tasks,
    ):
        connection = connection_over(process)
        tasks.start_soon(connection.run)
        try:
            await connection.open(start_deadline_seconds)
            yield connection
        except Exception as error:
            failure = error
        finally:
            await connection.close()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


class StdioConnection(ABC):
    """One agent process. Its state lives on one event loop and is changed between awaits only."""

    def __init__(
        self, process: AgentProcess, *, deadline_seconds: float, protocol: JsonRpcProtocol | None = None
    ) -> None:
        self._process = process
        self._deadline_seconds = deadline_seconds
        self._peer = JsonRpcPeer(
            name=process.program,
            incoming=process.stdout,
            outgoing=process.stdin,
            handle=self._handle,
            protocol=protocol,
        )
        self._events = EventQueue(_EVENT_CAPACITY)
        self._malformed_reports = 0
        self._asked = False
        self._over = False

    @property
    def process(self) -> ProcessIdentity:
        return self._process.identity

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        return self._events

    @abstractmethod
    async def open(self, start_deadline_seconds: float) -> None:
        """Agree on the protocol and open the conversation. Raises as `Provider.connect` does."""

    @abstractmethod
    async def _take(self, message: Request | Notification) -> None:
        """Do what a message of the agent asks for."""

    @abstractmethod
    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        """What is still to be told of a turn whose agent is gone."""

    async def run(self) -> None:
        """Read the agent to its end, end what is left of it, and report its exit last."""
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

    async def _report_malformed(self, line: Malformed) -> None:
        self._malformed_reports += 1
        if self._malformed_reports <= _MALFORMED_REPORTS:
            await self._events.put(
                RuntimeErrorReported(
                    message=f"{self._process.program} sent a line that is no message: {line.fault}",
                    detail={"excerpt": line.excerpt},
                )
            )

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
