"""A host that is SIGKILLed in the middle of a turn: nothing of its agent is left, and the conversation goes on."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from orchestrion.actors.providers.adapter import ProcessIdentity
from tests.support.provider_case import ProviderCase
from tests.support.provider_host import HostToKill
from tests.support.provider_session import all_have_ended, session

pytestmark = pytest.mark.anyio

ENDED_WITHIN_SECONDS = 2
POLL_SECONDS = 0.02


@pytest.mark.vital
async def test_a_conversation_survives_its_host(case: ProviderCase, workspace: Path) -> None:
    prompts = [case.say("pelican"), case.talk_forever()]
    host = await to_thread.run_sync(HostToKill, case.provider, workspace, prompts)
    agent = ProcessIdentity(pid=host.told["pid"], started_at=host.told["startedAt"])
    assert not await all_have_ended(agent)

    await to_thread.run_sync(host.kill)
    with anyio.fail_after(ENDED_WITHIN_SECONDS):
        while not await all_have_ended(agent):  # noqa: ASYNC110 - no event tells of a stranger's processes
            await anyio.sleep(POLL_SECONDS)

    async with session(case.provider, workspace, cursor=host.told["cursor"]) as resumed:
        await resumed.turn(case.recall())
        assert "pelican" in resumed.text()
