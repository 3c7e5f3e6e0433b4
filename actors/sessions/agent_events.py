"""The events of an agent as its run reads them: the next one, within bounds and in time."""

from __future__ import annotations

import anyio

from ...contracts.provider_events import ProviderRuntimeEvent, RuntimeErrorReported, SessionExited, TurnCompleted
from ...domain.event_bounds import bounded_event
from ..providers.adapter import AgentConnection

__all__ = ["ends_turn", "next_event"]


async def next_event(connection: AgentConnection, *, due_at: float | None) -> ProviderRuntimeEvent | None:
    """The agent's next event; None if `due_at` comes first. The end of its events is a `SessionExited`."""
    if due_at is None:
        return await _received(connection)
    with anyio.move_on_after(max(0.0, due_at - anyio.current_time())):
        return await _received(connection)
    return None


async def _received(connection: AgentConnection) -> ProviderRuntimeEvent:
    try:
        return bounded_event(await connection.events.receive())
    except anyio.EndOfStream:
        return SessionExited(asked=False)


def ends_turn(event: ProviderRuntimeEvent) -> bool:
    """Whether the running turn ends by this event."""
    return isinstance(event, TurnCompleted | SessionExited) or (isinstance(event, RuntimeErrorReported) and event.fatal)
