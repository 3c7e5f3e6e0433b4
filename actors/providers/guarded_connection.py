"""A connection as its session uses it: every call into it has a deadline and an outcome, every property a value."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import orjson

from ...contracts.errors import ProviderError, SessionLost
from ...contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId, TurnId
from ...contracts.provider_events import RuntimeErrorReported
from ...contracts.values import ApprovalDecision, JsonObject
from ..detached_task import DetachedTask, interruption_in
from .adapter import AgentConnection, Capabilities, ProcessIdentity, SignsOfLife, SteerRequest, Steers, TurnRequest
from .guarded_events import GuardedEvents
from .hand_over import HandOverFailure
from .provider_calls import ProviderCalls, ProviderDefect, describe_error

__all__ = ["GuardedConnection", "fault_of_cursor", "guard_connection"]

HAND_OVER_SECONDS: Final = 2.0
"""How long a session waits for a turn to be handed over before it continues with its clocks and interrupts."""

MAX_CURSOR_BYTES: Final = 1024 * 1024
MAX_FAULTS: Final = 8
"""How many different faults of one connection are reported."""

_logger = logging.getLogger(__name__)


def guard_connection(
    connection: AgentConnection, provider: str, calls: ProviderCalls, call_seconds: float, end_seconds: float
) -> GuardedConnection:
    """The connection behind its guard. `end_seconds` bounds its `close`, `call_seconds` every other call."""
    kind = _HeardConnection if isinstance(connection, SignsOfLife) else GuardedConnection
    return kind(connection, provider, calls, call_seconds, end_seconds)


class GuardedConnection:
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
        self._close_error: str | None = None
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
        return found if isinstance(self._inner, Steers) else attrs.evolve(found, steer=False)

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
            fault = fault_of_cursor(cursor)
            if fault is None:
                self._cursor = orjson.loads(orjson.dumps(cursor))
            else:
                self._bad_cursor = cursor
                self._report_fault(f"its resume cursor is {fault}: the previous one is kept")
        return self._cursor

    async def start_turn(self, turn: TurnRequest) -> None:
        """As `AgentConnection.start_turn`. If it takes long, it is not awaited, and its failure becomes an event."""
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

    async def steer(self, request: SteerRequest) -> None:
        """As `Steers.steer`; only if `capabilities.steer` is True."""
        inner = self._inner
        assert isinstance(inner, Steers)
        await self._call("steer", lambda: inner.steer(request))

    async def interrupt(self) -> None:
        await self._call("interrupt", self._inner.interrupt)

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        """As `AgentConnection.respond`. A provider need not take what it is not given."""
        given: dict[str, Any] = {} if option is None else {"option": option}
        if answers is not None:
            given["answers"] = answers
        await self._call("respond", lambda: self._inner.respond(request, decision, **given))

    async def close(self) -> None:
        """As `AgentConnection.close`, but without errors: if it fails or hangs, the session ends without it."""
        if self._is_closed:
            return
        self._is_closed = True
        self.events.note_closing()
        try:
            await self._calls.call(f"{self._provider}.close", self._inner.close, seconds=self._end_seconds)
        except ProviderError as error:
            _logger.error("a session ends without its agent: %s", error, extra={"actor": self._provider})
            self._close_error = describe_error(error.__cause__ or error)
            self.events.cut()
        finally:
            self.events.note_closed()
            for call in self._under_way:
                call.cancel()

    def is_close_error(self, error: ProviderError) -> bool:
        """Whether `close` failed with this error, and logged it, before."""
        return self._close_error == describe_error(error.__cause__ or error)

    async def _call(self, method: str, run: Callable[[], Awaitable[None]]) -> None:
        if self._is_closed:
            raise SessionLost(f"the session of {self._provider} was closed")
        await self._calls.call(f"{self._provider}.{method}", run, seconds=self._call_seconds)

    async def _hand_over(self, call: DetachedTask[None], turn_id: TurnId | None) -> None:
        """Wait for a turn that was not handed over at once, and report its failure as an event."""
        await self._calls.wait(call.ended, seconds=max(0.0, self._call_seconds - call.age_seconds))
        if not call.ended.is_set():
            await self._calls.cut(call)
        self._under_way.discard(call)
        try:
            self._calls.outcome(call)
        except ProviderError as error:
            if self._is_closed:
                return
            self.events.insert(
                HandOverFailure(
                    outcome="failed",
                    error=str(error),
                    reason=error.reason,
                    turn_id=turn_id,
                    loses_session=isinstance(error, SessionLost | ProviderDefect),
                )
            )

    def _read(self, name: str, kinds: tuple[type, ...], otherwise: Any) -> Any:
        """A property of the connection; if reading it fails, `otherwise`, and the fault is reported once."""
        try:
            value = getattr(self._inner, name)
        except BaseException as error:
            if interruption_in(error) is not None:
                raise
            self._report_fault(f"its {name} cannot be read: {describe_error(error)}")
            return otherwise
        if isinstance(value, kinds):
            return value
        self._report_fault(f"its {name} is {type(value).__name__}")
        return otherwise

    def _report_fault(self, fault: str) -> None:
        if fault in self._faults or len(self._faults) >= MAX_FAULTS:
            return
        self._faults.add(fault)
        message = f"provider {self._provider} violated the contract: {fault}"
        _logger.error("%s", message, extra={"actor": self._provider})
        self.events.insert(RuntimeErrorReported(message=message, reason="protocol"))


class _HeardConnection(GuardedConnection):
    """A connection that is a `SignsOfLife`."""

    @property
    def heard_at(self) -> float:
        return float(self._read("heard_at", (int, float), -math.inf))


def fault_of_cursor(cursor: object) -> str | None:
    """Why a cursor cannot be stored; None for one that can."""
    if not isinstance(cursor, dict):
        return f"not an object, but {type(cursor).__name__}"
    try:
        size = len(orjson.dumps(cursor))
    except (TypeError, ValueError) as error:
        return f"not JSON: {describe_error(error)}"
    return f"{size} bytes long, {MAX_CURSOR_BYTES} are allowed" if size > MAX_CURSOR_BYTES else None
