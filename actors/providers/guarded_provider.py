"""A provider as the runtime uses it: every call into it has a deadline and an outcome.

Each provider that a host passes to `open_runtime` is wrapped once. Calls through the wrapper raise only `ProviderError`
and always end. The adapters of this package have more precise deadlines of their own (a long history that streams is
not silence), so starting, ending and forgetting are left to them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import anyio
import attrs

from ...contracts.errors import InvalidRequest, ProviderError, ProviderProtocolError, ProviderUnavailable
from ...contracts.ids import TurnId
from ...contracts.values import JsonObject
from ..detached_task import DetachedTask, interruption_in
from ..shields import shield
from .adapter import AgentConnection, Provider, RollsBack, SessionRequest
from .guarded_connection import GuardedConnection, fault_of_cursor, guard_connection
from .provider_calls import ProviderCalls, describe_error
from .session_limits import SessionLimits

__all__ = ["guard_provider"]


def guard_provider(provider: Provider, calls: ProviderCalls, limits: SessionLimits) -> Provider:
    """The provider behind its guard.

    Raises:
        InvalidRequest: it has no name or no adapter key.
    """
    try:
        name, key, rolls_back = provider.name, provider.adapter_key, isinstance(provider, RollsBack)
    except BaseException as error:
        if interruption_in(error) is not None:
            raise
        raise InvalidRequest("providers", f"a provider has no name or adapter key: {describe_error(error)}") from error
    for what, text in (("name", name), ("adapter key", key)):
        if not isinstance(text, str) or not text:
            raise InvalidRequest("providers", f"expected a {what} that is a non-empty text, found {text!r}")
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
        self.takes_session_config = getattr(provider, "takes_session_config", False) is True
        keeps_deadlines = getattr(provider, "keeps_deadlines", False) is True
        self._start_seconds = math.inf if keeps_deadlines else limits.start_deadline
        self._end_seconds = math.inf if keeps_deadlines else limits.call_deadline
        self._call_seconds = self._end_seconds

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        """As `Provider.connect`. Its context is entered and left in a task of its own."""
        held = _Held()

        async def hold() -> None:
            try:
                async with self._provider.connect(request) as connection:
                    held.enter(
                        guard_connection(connection, self.name, self._calls, self._call_seconds, self._end_seconds)
                    )
                    await held.leave.wait()
            except BaseException as error:
                held.note_loss(f"the agent of {self.name} is gone: {describe_error(error)}")
                raise
            finally:
                held.settled.set()
                held.note_loss(f"the agent of {self.name} is gone: its connection was closed")

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
        try:
            self._calls.outcome(holding)
        except ProviderError as error:  # the context of many providers closes its connection, which has failed before
            if not connection.is_close_error(error):
                raise

    async def _raise_not_started(self, holding: DetachedTask[None]) -> None:
        if not holding.ended.is_set():
            await self._calls.cut(holding)
            raise ProviderUnavailable(f"the agent of {self.name} did not start within {self._start_seconds:g} s")
        try:
            self._calls.outcome(holding)
        except ProviderProtocolError as error:
            if error.__cause__ is None:
                raise
            cause = describe_error(error.__cause__)
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
        fault = None if cursor is None else fault_of_cursor(cursor)
        if fault is not None:
            raise ProviderProtocolError(f"{self.name}.forget returned {fault}")
        return cursor

    @property
    def _rolls_back(self) -> RollsBack:
        assert isinstance(self._provider, RollsBack)
        return self._provider


@attrs.define(eq=False)
class _Held:
    """The state that the task with a connection and its session share."""

    settled: anyio.Event = attrs.field(factory=anyio.Event)
    leave: anyio.Event = attrs.field(factory=anyio.Event)
    connection: GuardedConnection | None = None

    def enter(self, connection: GuardedConnection) -> None:
        self.connection = connection
        self.settled.set()

    def note_loss(self, because: str) -> None:
        """End the events of the connection, because of a fault unless the session has left it."""
        if self.connection is not None:
            self.connection.events.note_over(None if self.leave.is_set() else because)
