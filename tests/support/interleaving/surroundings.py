"""What a host of the interleavings is given: an agent that never comes, and ids and instants that count.

And what such a host has to come to: nothing that nobody owns, nothing that nobody answers.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from orchestrion.actors.providers.adapter import AgentConnection, SessionRequest
from orchestrion.contracts.errors import ProviderUnavailable
from orchestrion.contracts.values import Instant, Unset
from orchestrion.runtime.runtime import Runtime
from tests.support.builders import at
from tests.support.model_host import ModelHost


class NoAgent:
    """A provider whose agent never comes up: turns that are asked for end with an error, and nothing runs."""

    name = adapter_key = "nobody"

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> Any:
        raise ProviderUnavailable(f"no agent for {request.thread_id}")
        yield AgentConnection  # a context manager has a yield


class CountingMint:
    """Ids and instants in the order in which they are asked for, over all lives."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._ids = count(1)
        self._instants = count(1)

    def now(self) -> Instant:
        return at(next(self._instants))

    def new_id(self) -> str:
        return f"{self._prefix}id-{next(self._ids):06}"


async def check_owned(runtime: Runtime) -> None:
    """Nothing that a dead host did goes on, where no agent ever comes."""
    snapshot = await runtime.get_snapshot()
    for thread in snapshot.threads:
        if thread.deleted_at is None:
            assert [turn for turn in thread.turns if turn.status == "running"] == []
            assert not isinstance(thread.messages, Unset)
            assert [message for message in thread.messages if message.streaming] == []
            assert thread.pending_approvals == ()


async def wait_until_settled(runtime: Runtime) -> None:
    """Everything that was asked of an agent has its outcome."""
    host = ModelHost()
    async with runtime.subscribe(0) as events:
        while host.head < runtime.health().head or any(thread.open_intents for thread in host.threads.values()):
            host.take(await anext(events))
