"""A connection to an agent as a test reads it: its events kept, and waited for by what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from orchestrion.actors.providers.adapter import (
    AgentConnection,
    ProcessIdentity,
    Provider,
    SessionRequest,
    TurnRequest,
)
from orchestrion.actors.providers.process.process_table import processes_of
from orchestrion.contracts.ids import ProviderSessionId, ThreadId, TurnId
from orchestrion.contracts.provider_events import (
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    TurnCompleted,
)
from orchestrion.contracts.values import JsonObject

__all__ = ["ReadSession", "all_have_ended", "session", "session_request"]

SAFETY_NET_SECONDS = 120

E = TypeVar("E")


class ReadSession:
    """One reader of one connection. `told` is every event that was read, in order."""

    def __init__(self, connection: AgentConnection) -> None:
        self.connection = connection
        self.told: list[ProviderRuntimeEvent] = []

    @property
    def process(self) -> ProcessIdentity:
        """The agent's process, which it has."""
        process = self.connection.process
        assert process is not None
        return process

    async def until(self, kind: type[E]) -> E:
        """Read up to the next event of this kind."""
        while True:
            event = await self.connection.events.receive()
            self.told.append(event)
            if isinstance(event, kind):
                return event

    async def turn(self, prompt: str, *, turn_id: str | None = None) -> TurnCompleted:
        """A whole turn, in which nothing is asked."""
        named = None if turn_id is None else TurnId(turn_id)
        await self.connection.start_turn(TurnRequest(text=prompt, turn_id=named))
        return await self.until(TurnCompleted)

    async def rest(self) -> list[ProviderRuntimeEvent]:
        """Read to the end of the events and return what came from here on."""
        before = len(self.told)
        async for event in self.connection.events:
            self.told.append(event)
        return self.told[before:]

    async def closed(self) -> SessionExited:
        """Close the connection as the runtime does, and read it to its end."""
        await self.connection.close()
        (*_, last) = await self.rest()
        assert isinstance(last, SessionExited)
        return last

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    def text(self) -> str:
        return "".join(event.text for event in self.of(MessageDelta))

    def said(self) -> list[str]:
        """The messages' texts, by item."""
        messages: dict[str, str] = {}
        for event in self.of(MessageDelta):
            messages[event.item] = messages.get(event.item, "") + event.text
        return list(messages.values())


def session_request(workspace: Path, cursor: JsonObject | None) -> SessionRequest:
    return SessionRequest(
        thread_id=ThreadId("thread"),
        provider_session_id=ProviderSessionId("session"),
        workspace=workspace,
        resume_cursor=cursor,
    )


@asynccontextmanager
async def session(
    provider: Provider, workspace: Path, *, cursor: JsonObject | None = None
) -> AsyncIterator[ReadSession]:
    """A session of `provider` in `workspace`, under a safety net of time. It leaves no process, however it ends."""
    request = session_request(workspace, cursor)
    identity: ProcessIdentity | None = None
    try:
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with provider.connect(request) as connection:
                identity = connection.process
                yield ReadSession(connection)
    finally:
        if identity is not None:
            with anyio.CancelScope(shield=True):
                assert await all_have_ended(identity)


async def all_have_ended(identity: ProcessIdentity) -> bool:
    """Whether no process of the agent lives."""
    return await to_thread.run_sync(processes_of, identity) == []
