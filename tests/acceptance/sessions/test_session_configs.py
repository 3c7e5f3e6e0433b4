"""What a host gives the sessions of a thread: at each start of its agent, and nowhere stored."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.actors.providers.session_config import HostVariable, SessionConfig, StdioMcpServer
from orchestrion.contracts.read_model import ProjectView, ThreadView
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import session_stop, thread_create
from tests.support.inside_provider import InsideProvider
from tests.support.stage import error_of, rehearsal, session_of, stage

pytestmark = pytest.mark.anyio

CONFIG = SessionConfig(mcp_servers={"notes": StdioMcpServer(command="notes")}, mode="plan")


@pytest.mark.spec("E47")
async def test_config_of_a_thread_is_given_at_each_start(tmp_path: Path) -> None:
    provider = InsideProvider()
    asked: list[str] = []

    def choose(project: ProjectView, thread: ThreadView) -> SessionConfig:
        asked.append(f"{project.id} {thread.id}")
        return CONFIG

    for _ in range(2):
        async with stage(tmp_path, providers=[provider], options=RuntimeOptions(choose_provider=choose)) as it:
            await it.perform("go")
            await it.outcome((await it.send(session_stop())).event_id)
            await it.perform("go")
    assert [request.config for request in provider.requests] == [CONFIG] * 4
    assert [request.resume_cursor is None for request in provider.requests] == [True, False, False, False]
    assert asked == ["p1 t1"] * 2


@pytest.mark.spec("E47")
async def test_name_and_config_may_be_chosen_together(tmp_path: Path) -> None:
    left, right = InsideProvider("left"), InsideProvider("right")
    options = RuntimeOptions(choose_provider=lambda _project, _thread: ("right", CONFIG))
    async with stage(tmp_path, providers=[left, right], options=options) as it:
        assert session_of(await it.perform("go")).provider_name == "right"
        await it.runtime.dispatch(thread_create("t2", provider="left"))
        assert session_of(await it.perform("go", thread_id="t2")).provider_name == "left"
    assert [request.config for request in (*right.requests, *left.requests)] == [CONFIG] * 2


@pytest.mark.spec("E47")
async def test_provider_that_takes_no_config_fails_the_turn(tmp_path: Path) -> None:
    provider = InsideProvider()
    provider.takes_session_config = False
    options = RuntimeOptions(choose_provider=lambda _project, _thread: CONFIG)
    async with stage(tmp_path, providers=[provider], options=options) as it:
        failed = await it.outcome((await it.ask("go")).event_id)
        assert "the provider 'inside' takes none" in error_of(failed)
    assert provider.requests == []


@pytest.mark.spec("E47")
async def test_what_an_agent_cannot_do_fails_the_turn(tmp_path: Path) -> None:
    options = RuntimeOptions(choose_provider=lambda _project, _thread: SessionConfig(sandbox="read-only"))
    async with stage(tmp_path, providers=[rehearsal(tmp_path)], options=options) as it:
        failed = await it.outcome((await it.ask("say never")).event_id)
        assert "has no sandbox that its client could set" in error_of(failed)


@pytest.mark.lesson("L160")
async def test_secrets_reach_the_agent_and_are_stored_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "correct horse battery staple"
    monkeypatch.setenv("MY_TOKEN", secret)
    monkeypatch.setenv("PASSED_TOKEN", "passed")
    caplog.set_level(logging.DEBUG)
    config = SessionConfig(env={"AGENT_TOKEN": HostVariable("MY_TOKEN")}, inherit_env=("PASSED_*",))
    dies = 'echo "my token is $AGENT_TOKEN" >&2; exit 3'
    providers = [
        AcpProvider(rehearsal_command(state=tmp_path / "agent"), name="works", end_grace_seconds=0.2),
        AcpProvider(["sh", "-c", dies], name="dies", end_grace_seconds=0.2),
    ]
    options = RuntimeOptions(choose_provider=lambda _project, _thread: config)
    async with stage(tmp_path, providers=providers, options=options) as it:
        for name in ("works", "dies"):
            await it.runtime.dispatch(thread_create(name, provider=name))
        script = "exec printf '%s %s' ${#AGENT_TOKEN} $PASSED_TOKEN > seen.txt"
        assert session_of(await it.perform(script, thread_id="works")).status == "ready"
        assert it.path("seen.txt").read_text() == f"{len(secret)} passed"
        failed = await it.outcome((await it.ask("say never", thread_id="dies")).event_id)
        assert "my token is [secret]" in error_of(failed)
        seen = repr(it.runtime.health()) + repr(config)
    assert secret not in seen + caplog.text
    assert _files_that_hold(secret, tmp_path) == []


def _files_that_hold(text: str, directory: Path) -> list[str]:
    files = [path for path in directory.iterdir() if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]
