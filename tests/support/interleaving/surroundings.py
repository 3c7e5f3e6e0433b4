"""The surroundings of a host in interleavings: an agent that never starts, and counted ids and instants.

Also the state that such a host must reach: nothing without an owner, no request without an answer.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from orchestrion.actors.providers.adapter import AgentConnection, SessionRequest
from orchestrion.contracts.errors import ProviderUnavailable
from orchestrion.contracts.values import Unset
from orchestrion.runtime.runtime import Runtime
from orchestrion.testing.model_host import ModelHost


class NoAgent:
    """A provider whose agent never starts: requested turns end with an error, and nothing runs."""

    name = adapter_key = "nobody"

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> Any:
        raise ProviderUnavailable(f"no agent for {request.thread_id}")
        yield AgentConnection  # a context manager has a yield


async def check_owned(runtime: Runtime) -> None:
    """Assert that nothing of a dead host continues, since no agent ever starts."""
    snapshot = await runtime.get_snapshot()
    for thread in snapshot.threads:
        if thread.deleted_at is None:
            assert [turn for turn in thread.turns if turn.status == "running"] == []
            assert not isinstance(thread.messages, Unset)
            assert [message for message in thread.messages if message.streaming] == []
            assert thread.pending_approvals == ()


async def wait_until_settled(runtime: Runtime) -> None:
    """Wait until every request to an agent has its outcome."""
    host = ModelHost()
    async with runtime.subscribe(0) as events:
        while host.head < runtime.health().head or any(thread.open_intents for thread in host.threads.values()):
            host.take(await anext(events))
