"""A host that is killed in the middle of a turn: nothing of its agent is left, and the conversation continues."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from ...actors.providers.adapter import ProcessIdentity
from .case import ProviderCase
from .host_to_kill import HostToKill
from .reading import SAFETY_NET_SECONDS, all_have_ended, session

pytestmark = pytest.mark.anyio


@pytest.mark.rule("host-death-ends-agent")
async def test_a_conversation_survives_its_host(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("resume", "process")):
        pass
    prompts = [case.say("pelican"), case.talk_forever()]
    host = await to_thread.run_sync(HostToKill, case.provider, workspace, prompts)
    agent = ProcessIdentity(pid=host.report["pid"], started_at=host.report["startedAt"])
    assert not await all_have_ended(agent)

    guardian = os.pidfd_open(agent.pid)
    try:
        await to_thread.run_sync(host.kill)
        with anyio.fail_after(SAFETY_NET_SECONDS):
            await anyio.wait_readable(guardian)
    finally:
        os.close(guardian)
    assert await all_have_ended(agent)

    async with session(case.provider, workspace, cursor=host.report["cursor"]) as resumed:
        await resumed.turn(case.recall())
        assert "pelican" in resumed.text()
