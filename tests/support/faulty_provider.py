"""A real agent behind an adapter that fails where a test wants it to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from orchestrion.actors.providers.adapter import AgentConnection, Provider, SessionRequest

Fault = Callable[[], None]


class FaultyProvider:
    """`faults` by the name of the method, `connect` among them: called before the method, once, and may raise."""

    def __init__(self, inner: Provider, **faults: Fault) -> None:
        self._inner = inner
        self._faults = faults
        self.name = inner.name
        self.adapter_key = inner.adapter_key

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        self._fail("connect")
        async with self._inner.connect(request) as connection:
            yield cast("AgentConnection", _Faulty(connection, self._fail))

    def _fail(self, method: str) -> None:
        fault = self._faults.pop(method, None)
        if fault is not None:
            fault()


class _Faulty:
    def __init__(self, connection: AgentConnection, fail: Callable[[str], None]) -> None:
        self._connection = connection
        self._fail = fail

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def start_turn(self, *arguments: Any) -> None:
        self._fail("start_turn")
        await self._connection.start_turn(*arguments)

    async def interrupt(self) -> None:
        self._fail("interrupt")
        await self._connection.interrupt()

    async def respond(self, *arguments: Any, **options: Any) -> None:
        self._fail("respond")
        await self._connection.respond(*arguments, **options)


def raising(error: Exception) -> Fault:
    def fault() -> None:
        raise error

    return fault
