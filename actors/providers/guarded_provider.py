"""A provider as the runtime sees it: every call into it has a deadline and an outcome.

What a host passes to `open_runtime` is wrapped here, once. Behind the wrapper sessions meet `ProviderError` alone, and
nothing that a provider does, or does not do, keeps them. Our own adapters keep deadlines of their own, which know
more (a long history that streams is no silence): starting, ending and forgetting are left to those.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import attrs
import orjson

from ...contracts.errors import (
    InvalidRequest,
    ProviderError,
    ProviderProtocolError,
    ProviderUnavailable,
    SessionLost,
)
from ...contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId, TurnId
from ...contracts.provider_events import RuntimeErrorReported
from ...contracts.values import ApprovalDecision, JsonObject
from ..detached_task import DetachedTask, interruption_in
from ..shields import shield
from .adapter import (
    AgentConnection,
    Capabilities,
    ProcessIdentity,
    Provider,
    RollsBack,
    SessionRequest,
    SignsOfLife,
    TurnRequest,
)
from .guarded_events import GuardedEvents
from .hand_over import HandOverFailure
from .provider_calls import ProviderCalls, ProviderDefect, described
from .session_limits import SessionLimits

__all__ = ["guarded"]

HAND_OVER_SECONDS: Final = 2.0
"""How long a session waits for a turn to be handed over before it looks after its clocks and interrupts again."""

MAX_CURSOR_BYTES: Final = 1024 * 1024
MAX_FAULTS: Final = 8
"""How many different faults of one connection are reported."""

_logger = logging.getLogger(__name__)


def guarded(provider: Provider, calls: ProviderCalls, limits: SessionLimits) -> Provider:
    """The provider behind its guard.

    Raises:
        InvalidRequest: it has no name or no adapter key.
    """
    try:
        name, key, rolls_back = provider.name, provider.adapter_key, isinstance(provider, RollsBack)
    except BaseException as error:
        if interruption_in(error) is not None:
            raise
        raise InvalidRequest("providers", f"one has no name or adapter key: {described(error)}") from error
    for what, text in (("name", name), ("adapter key", key)):
        if not isinstance(text, str) or not text:
            raise InvalidRequest("providers", f"expected a {what} that is text and not empty, found {text!r}")
    kind = _RollingBack if rolls_back else _Guarded
    return kind(provider, name, key, calls, limits)


class _Guarded:
    """A `Provider`."""

    def __init__(
        self, provider: Provider, name: str, adapter_key: str, calls: ProviderCalls, limits: SessionLimits
    ) -> None:
        self.name = name
        self.adapter_key = adapter_key
        self._provider = provider
        self._calls = calls
        keeps_deadlines = getattr(provider, "keeps_deadlines", False) is True
        self._start_seconds = math.inf if keeps_deadlines else limits.start_deadline
        self._end_seconds = math.inf if keeps_deadlines else limits.call_deadline
        self._call_seconds = self._end_seconds

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        """As `Provider.connect`. Its context is entered and left in one task apart."""
        held = _Held()

        async def hold() -> None:
            try:
                async with self._provider.connect(request) as connection:
                    held.enter(self._guard(connection))
                    await held.leave.wait()
            except BaseException as error:
                held.broke(f"the agent of {self.name} is gone: {described(error)}")
                raise
            finally:
                held.settled.set()
                held.broke(f"the agent of {self.name} is gone: its connection was closed")

        holding = self._calls.begin(f"{self.name}.connect", hold)
        try:
            await self._calls.wait(held.settled, seconds=self._start_seconds)
        except BaseException:
            await self._calls.cut(holding, seconds=self._end_seconds)
            raise
        if held.connection is None:
            await self._raise_not_started(holding)
        connection = held.connection
        assert connection is not None, "an agent that was not started raises"
        try:
            yield connection
        finally:
            held.leave.set()
            connection.events.cut()
            try:
                with shield():
                    await self._calls.wait(holding.ended, seconds=self._end_seconds)
            finally:
                if not holding.ended.is_set():
                    await self._calls.cut(holding)
        self._calls.outcome(holding)

    def _guard(self, connection: AgentConnection) -> _Connection:
        kind = _HeardConnection if isinstance(connection, SignsOfLife) else _Connection
        return kind(connection, self.name, self._calls, self._call_seconds, self._end_seconds)

    async def _raise_not_started(self, holding: DetachedTask[None]) -> None:
        if not holding.ended.is_set():
            await self._calls.cut(holding)
            raise ProviderUnavailable(f"the agent of {self.name} did not start within {self._start_seconds:g} s")
        try:
            self._calls.outcome(holding)
        except ProviderProtocolError as error:
            if error.__cause__ is None:
                raise
            cause = described(error.__cause__)
            raise ProviderProtocolError(f"the agent of {self.name} could not be started: {cause}") from error.__cause__
        raise ProviderProtocolError(f"the agent of {self.name} could not be started: connect gave no connection")


class _RollingBack(_Guarded):
    """A `Provider` that is a `RollsBack`."""

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        provider = self._rolls_back
        answer = await self._calls.call(
            f"{self.name}.can_forget", lambda: provider.can_forget(request, turns), seconds=self._start_seconds
        )
        return answer is True

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        provider = self._rolls_back
        cursor = await self._calls.call(
            f"{self.name}.forget", lambda: provider.forget(request, turns), seconds=self._start_seconds
        )
        fault = None if cursor is None else _fault_of_cursor(cursor)
        if fault is not None:
            raise ProviderProtocolError(f"{self.name}.forget answered with {fault}")
        return cursor

    @property
    def _rolls_back(self) -> RollsBack:
        assert isinstance(self._provider, RollsBack)
        return self._provider


@attrs.define(eq=False)
class _Held:
    """What the task that holds a connection and the session that uses it exchange."""

    settled: anyio.Event = attrs.field(factory=anyio.Event)
    leave: anyio.Event = attrs.field(factory=anyio.Event)
    connection: _Connection | None = None

    def enter(self, connection: _Connection) -> None:
        self.connection = connection
        self.settled.set()

    def broke(self, because: str) -> None:
        """The connection is over: its events end, for a reason if the session has not left it."""
        if self.connection is not None:
            self.connection.events.over(None if self.leave.is_set() else because)


class _Connection:
    """An `AgentConnection` behind its guard."""

    def __init__(
        self, inner: AgentConnection, provider: str, calls: ProviderCalls, call_seconds: float, end_seconds: float
    ) -> None:
        self._inner = inner
        self._provider = provider
        self._calls = calls
        self._call_seconds = call_seconds
        self._end_seconds = end_seconds
        self._under_way: set[DetachedTask[None]] = set()
        self._is_closed = False
        self._cursor: JsonObject | None = None
        self._bad_cursor: object = None
        self._faults: set[str] = set()
        self.events = GuardedEvents(provider, inner.events)

    @property
    def process(self) -> ProcessIdentity | None:
        found: ProcessIdentity | None = self._read("process", (ProcessIdentity, type(None)), None)
        return found

    @property
    def capabilities(self) -> Capabilities:
        found: Capabilities = self._read("capabilities", (Capabilities,), Capabilities(resume=False))
        return found

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        found: ProviderThreadId | None = self._read("provider_thread_id", (str, type(None)), None)
        return found

    @property
    def resume_cursor(self) -> JsonObject | None:
        """The newest cursor that can be stored."""
        cursor: JsonObject | None = self._read("resume_cursor", (dict, type(None)), self._cursor)
        if cursor is None or cursor == self._cursor:
            self._cursor = cursor
        elif cursor is not self._bad_cursor:
            fault = _fault_of_cursor(cursor)
            if fault is None:
                self._cursor = orjson.loads(orjson.dumps(cursor))
            else:
                self._bad_cursor = cursor
                self._tell(f"its resume cursor is {fault}: the conversation is resumed from the one before")
        return self._cursor

    async def start_turn(self, turn: TurnRequest) -> None:
        """As `AgentConnection.start_turn`. Where it takes long it is not waited for: its failure is an event."""
        call = self._calls.begin(f"{self._provider}.start_turn", lambda: self._inner.start_turn(turn))
        self._under_way.add(call)
        try:
            await self._calls.wait(call.ended, seconds=min(HAND_OVER_SECONDS, self._call_seconds), yields=True)
        except BaseException:
            call.cancel()
            raise
        if not call.ended.is_set():
            DetachedTask(lambda: self._hand_over(call, turn.turn_id), name=f"hand-over to {self._provider}")
            return
        self._under_way.discard(call)
        try:
            self._calls.outcome(call)
        except ProviderDefect as error:  # whether the agent has the turn is unknown
            raise SessionLost(str(error), reason=error.reason) from error

    async def interrupt(self) -> None:
        await self._call("interrupt", self._inner.interrupt)

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        if option is None:
            await self._call("respond", lambda: self._inner.respond(request, decision))
        else:
            await self._call("respond", lambda: self._inner.respond(request, decision, option=option))

    async def close(self) -> None:
        """As `AgentConnection.close`, but raises nothing: where it fails or hangs, the session ends without it."""
        if self._is_closed:
            return
        self._is_closed = True
        self.events.closing()
        try:
            await self._calls.call(f"{self._provider}.close", self._inner.close, seconds=self._end_seconds)
        except ProviderError as error:
            _logger.error("a session ends without its agent: %s", error, extra={"actor": self._provider})
            self.events.cut()
        finally:
            self.events.closed()
            for call in self._under_way:
                call.cancel()

    async def _call(self, method: str, run: Callable[[], Awaitable[None]]) -> None:
        if self._is_closed:
            raise SessionLost(f"the session of {self._provider} was closed")
        await self._calls.call(f"{self._provider}.{method}", run, seconds=self._call_seconds)

    async def _hand_over(self, call: DetachedTask[None], turn_id: TurnId | None) -> None:
        """Wait on for a turn that was not handed over at once, and report its failure as an event."""
        await self._calls.wait(call.ended, seconds=max(0.0, self._call_seconds - call.age_seconds))
        if not call.ended.is_set():
            await self._calls.cut(call)
        self._under_way.discard(call)
        try:
            self._calls.outcome(call)
        except ProviderError as error:
            if self._is_closed:
                return
            self.events.tell(
                HandOverFailure(
                    outcome="failed",
                    error=str(error),
                    reason=error.reason,
                    turn_id=turn_id,
                    loses_session=isinstance(error, SessionLost | ProviderDefect),
                )
            )

    def _read(self, name: str, kinds: tuple[type, ...], otherwise: Any) -> Any:
        """A property of the connection; `otherwise` where reading it fails, which is reported once."""
        try:
            value = getattr(self._inner, name)
        except BaseException as error:
            if interruption_in(error) is not None:
                raise
            self._tell(f"its {name} cannot be read: {described(error)}")
            return otherwise
        if isinstance(value, kinds):
            return value
        self._tell(f"its {name} is {type(value).__name__}")
        return otherwise

    def _tell(self, fault: str) -> None:
        if fault in self._faults or len(self._faults) >= MAX_FAULTS:
            return
        self._faults.add(fault)
        message = f"provider {self._provider} broke the contract: {fault}"
        _logger.error("%s", message, extra={"actor": self._provider})
        self.events.tell(RuntimeErrorReported(message=message, reason="protocol"))


class _HeardConnection(_Connection):
    """A connection that is a `SignsOfLife`."""

    @property
    def heard_at(self) -> float:
        return float(self._read("heard_at", (int, float), -math.inf))


def _fault_of_cursor(cursor: object) -> str | None:
    """Why a cursor cannot be stored."""
    if not isinstance(cursor, dict):
        return f"no object, but {type(cursor).__name__}"
    try:
        size = len(orjson.dumps(cursor))
    except (TypeError, ValueError) as error:
        return f"no JSON: {described(error)}"
    return f"{size} bytes long, {MAX_CURSOR_BYTES} are allowed" if size > MAX_CURSOR_BYTES else None
