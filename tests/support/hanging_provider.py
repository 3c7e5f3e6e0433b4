"""A host's own provider without a process, whose methods hang or fail as a test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, TypeAlias, get_args

import anyio
from anyio.abc import ObjectReceiveStream

from orchestrion.actors.providers.adapter import Capabilities, ProcessIdentity, SessionRequest, TurnRequest
from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    MessageCompleted,
    MessageDelta,
    SessionExited,
    SessionStarted,
    TurnCompleted,
)

Method: TypeAlias = Literal[
    "connect",
    "disconnect",
    "start_turn",
    "interrupt",
    "respond",
    "close",
    "events",
    "capabilities",
    "process",
    "provider_thread_id",
    "resume_cursor",
]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
ASYNCHRONOUS: Final[tuple[Method, ...]] = METHODS[:6]

Behaviour: TypeAlias = Literal["hangs", "is stubborn"] | BaseException

NOBODY: Final = ProcessIdentity(pid=2**22 + 1, started_at=1)
"""No process has this pid: it is above the kernel's limit."""


class HangingProvider:
    """`does` has the behaviour of each method: hang, hang and ignore cancellation, or raise an error.

    `entered` has the methods that were called. `release` ends what hangs.
    """

    adapter_key = "hanging"

    def __init__(self, name: str = "hanging", /, **does: Behaviour) -> None:
        self.name = name
        self.does: Mapping[str, Any] = does
        self.entered: list[str] = []
        self.make_event: Callable[[], object] | None = None
        self.asks = 0
        """How many permissions a turn asks for; one that asks does not end by itself."""
        self._called: dict[str, anyio.Event] = {}
        self._released: anyio.Event | None = None

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[_Connection]:
        self._released = self._released or anyio.Event()
        await self.do("connect")
        connection = _Connection(self)
        try:
            yield connection
        finally:
            try:
                await self.do("disconnect")
            finally:
                connection.close_streams()

    def release(self) -> None:
        if self._released is not None:
            self._released.set()

    async def called(self, method: Method) -> None:
        """Wait until a method was called."""
        if method not in self.entered:
            await self._called.setdefault(method, anyio.Event()).wait()

    async def do(self, method: Method) -> None:
        what = self.note(method)
        if what == "hangs":
            assert self._released is not None
            await self._released.wait()
        elif what == "is stubborn":
            assert self._released is not None
            with anyio.CancelScope(shield=True):
                await self._released.wait()

    def note(self, method: Method) -> object:
        self.entered.append(method)
        if method in self._called:
            self._called[method].set()
        what: object = self.does.get(method)
        if isinstance(what, BaseException):
            raise what
        return what


class _Connection:
    def __init__(self, provider: HangingProvider) -> None:
        self._provider = provider
        self._send, self._events = anyio.create_memory_object_stream[Any](64)
        self._is_over = False
        self._send.send_nowait(SessionStarted())

    def close_streams(self) -> None:
        self._send.close()
        self._events.close()

    @property
    def process(self) -> ProcessIdentity:
        self._provider.note("process")
        return NOBODY

    @property
    def capabilities(self) -> Capabilities:
        self._provider.note("capabilities")
        return Capabilities(resume=False)

    @property
    def provider_thread_id(self) -> None:
        self._provider.note("provider_thread_id")

    @property
    def resume_cursor(self) -> None:
        self._provider.note("resume_cursor")

    @property
    def events(self) -> ObjectReceiveStream[Any]:
        self._provider.note("events")
        return self._events

    async def start_turn(self, turn: TurnRequest) -> None:
        await self._provider.do("start_turn")
        if self._provider.make_event is not None:
            await self._send.send(self._provider.make_event())
        for number in range(self._provider.asks):
            key = ApprovalRequestId(f"{turn.turn_id}/{number}")
            await self._send.send(ApprovalRequested(request=key, kind="command", summary="may I"))
        if self._provider.asks:
            return
        item = ProviderItemId(str(turn.turn_id))
        for event in (MessageDelta(item=item, text=turn.text), MessageCompleted(item=item)):
            await self._send.send(event)
        await self._send.send(TurnCompleted(outcome="completed"))

    async def interrupt(self) -> None:
        await self._provider.do("interrupt")

    async def respond(self, *arguments: object, **options: object) -> None:
        await self._provider.do("respond")

    async def close(self) -> None:
        await self._provider.do("close")
        if not self._is_over:
            self._is_over = True
            await self._send.send(SessionExited(asked=True))
            self._send.close()
