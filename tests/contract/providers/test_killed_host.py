"""A runtime's host that is killed with SIGKILL in the middle of a turn: the thread goes on, with every agent.

The conformance suite has the same of an adapter alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import to_thread

from orchestrion.actors.providers.codex.provider import CodexProvider
from orchestrion.testing.conformance import ProviderCase
from tests.support.builders import project_create, thread_create, turn_start
from tests.support.codex_case import CodexCase, codex_case
from tests.support.git import Repository
from tests.support.session_host import SessionHost, session_host
from tests.support.stage import activity, session_of, stage

pytestmark = pytest.mark.anyio


async def host_killed_while_its_agent_streams(host: SessionHost, workspace: Path, first: str, second: str) -> str:
    """A whole turn, and a second one that is cut off; the agent's own id of the thread."""
    await host.send(
        project_create(workspace_root=str(workspace)),
        thread_create(model="default"),
        turn_start(message_id="m1", text=first),
    )
    await host.until("thread.message-sent", role="assistant")
    ended = await host.until("thread.session-set", status="ready")
    await host.send(turn_start(message_id="m2", text=second))
    await host.until("thread.message-sent", role="assistant")
    await host.kill()
    return str(ended["session"]["providerThreadId"])


@pytest.mark.spec("E51")
@pytest.mark.vital
async def test_a_thread_survives_its_host(case: ProviderCase, tmp_path: Path, workspace: Path) -> None:
    async with session_host(tmp_path, provider=case.provider) as host:
        thread = await host_killed_while_its_agent_streams(host, workspace, case.say("pelican"), case.talk_forever())

    async with stage(tmp_path, providers=[case.provider]) as it:
        assert await it.turn_statuses() == ["completed", "interrupted"]
        assert (await it.until(activity("turn.interrupted"))).actor_kind == "server"
        turn = await it.ask(case.recall())
        resumed = session_of(await it.ended(turn))
        assert (resumed.status, resumed.provider_thread_id) == ("ready", thread)
        assert "pelican" in await it.text_of(turn)
        dead, live = await it.runtime_rows()
        assert dead.provider_session_id != live.provider_session_id


@pytest.fixture
def boxed(tmp_path: Path, workspace: Path) -> Iterator[tuple[CodexCase, CodexProvider]]:
    """Codex whose own configuration opens the sandbox, and is restricted to its workspace."""
    with codex_case(tmp_path, workspace) as codex:
        yield codex, codex.provided(sandbox="workspace-write", approval_policy="never")


async def test_codex_is_in_its_sandbox_and_its_history_after_its_host_was_killed(
    boxed: tuple[CodexCase, CodexProvider], tmp_path: Path, workspace: Path
) -> None:
    """In its sandbox the workspace is open, the repository's own files are shut."""
    codex, provider = boxed
    await to_thread.run_sync(Repository.init, workspace)
    first, ran = codex.say("pelican"), codex.run("touch inside; touch .git/outside")
    async with session_host(tmp_path, provider=provider) as host:
        await host_killed_while_its_agent_streams(host, workspace, first, codex.talk_forever())

    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform(ran)).status == "ready"
        assert [it.path(name).exists() for name in ("inside", ".git/outside")] == [True, False]
    told = codex.model.script.requests()[-1]["body"]["input"]
    assert "Read-only file system" in str(told[-1])
    said = [(item["role"], item["content"][0]["text"]) for item in told if item.get("type") == "message"]
    assert said.index(("user", first)) < said.index(("assistant", "pelican")) < said.index(("user", ran))
