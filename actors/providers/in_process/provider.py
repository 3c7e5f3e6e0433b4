"""Agents inside the host: `in_process_provider` makes a provider of an asynchronous generator function.

A turn is one run of the generator. It yields text or events, and its end ends the turn. An interrupt cancels it where
it waits. An error that it raises fails the turn, with a reason. Its memory is the thread's read model
(`InProcessTurn.history`), so that it survives a restart and follows a revert.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from ....contracts.errors import ResumeRefused
from ....contracts.ids import TurnId
from ....contracts.values import JsonObject
from ...shields import shield
from ..adapter import AgentConnection, Capabilities, SessionRequest
from .connection import InProcessConnection
from .turn import Run

__all__ = ["InProcessProvider", "in_process_provider"]


def in_process_provider(name: str, run: Run, *, model_switch: bool = True, approvals: bool = True) -> InProcessProvider:
    """A provider whose agents are runs of `run` in the host's own process.

    Text that `run` yields continues a message until `run` yields an event or asks. The `item` of an event has to be
    unique in its turn only. `model_switch` declares that `run` follows `turn.request.model`, `approvals` that it asks
    before it does what needs permission.
    """
    return InProcessProvider(name, run, Capabilities(resume=True, approvals=approvals, model_switch=model_switch))


class InProcessProvider:
    """A `Provider` and a `RollsBack`. Made by `in_process_provider`."""

    adapter_key: Final = "in-process"

    def __init__(self, name: str, run: Run, capabilities: Capabilities) -> None:
        self.name: Final = name
        self._run = run
        self._capabilities = capabilities

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        """As `Provider.connect`.

        Raises:
            ResumeRefused: the cursor is not of this thread.
            StoreError: the thread's turns cannot be read.
        """
        cursor = await _opened(request)
        connection = InProcessConnection(self._run, request, cursor, self._capabilities)
        try:
            yield connection
        finally:
            with shield():
                await connection.close()

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """Yes: what leaves the read model leaves the agent's memory."""
        return True

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """As `RollsBack.forget`. The revert removes the turns from the read model."""
        return request.resume_cursor


async def _opened(request: SessionRequest) -> JsonObject:
    """The conversation of the request's cursor; else a new one, which begins after the thread's last turn."""
    cursor, history = request.resume_cursor, request.history
    if cursor is None:
        after = None if history is None else await history.last_turn()
        return {"conversation": request.provider_session_id, "thread": request.thread_id, "after": after}
    if cursor.get("thread") != request.thread_id or "conversation" not in cursor:
        raise ResumeRefused(f"the conversation is not one of thread {request.thread_id!r}")
    return cursor
