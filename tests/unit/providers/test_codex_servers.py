"""A session of Codex is open when each of its MCP servers has started or failed."""

from __future__ import annotations

import anyio
import pytest

from orchestrion.actors.providers.codex.starting_servers import StartingServers
from orchestrion.actors.providers.jsonrpc.protocol import Notification

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L161")]


def _report(name: str, status: str) -> Notification:
    return Notification(method="mcpServer/startupStatus/updated", params={"name": name, "status": status})


async def test_servers_are_waited_for_until_each_has_started_or_failed() -> None:
    servers, events = StartingServers(["one", "two"]), list[str]()

    async def wait() -> None:
        await servers.wait(60)
        events.append("all settled")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        for name, status in (("one", "starting"), ("other", "ready"), ("one", "ready"), ("two", "starting")):
            servers.take(_report(name, status))
            await anyio.wait_all_tasks_blocked()
            events.append(f"{name} {status}")
        servers.take(_report("two", "failed"))
    assert events == ["one starting", "other ready", "one ready", "two starting", "all settled"]


async def test_no_server_and_a_lost_agent_are_not_waited_for() -> None:
    await StartingServers([]).wait(60)
    servers = StartingServers(["one"])
    servers.lose()
    await servers.wait(60)
