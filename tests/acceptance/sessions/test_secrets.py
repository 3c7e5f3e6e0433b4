"""An agent's configuration is passed to its process and stored nowhere else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.claude.provider import ClaudeProvider
from orchestrion.actors.providers.codex.provider import CodexProvider
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.runtime.options import RuntimeOptions
from tests.support.stage import rehearsal, session_of, stage

SECRET: Final = "sk-0123456789-not-to-be-seen"  # an invented one
ENV: Final = {"AGENT_TOKEN": SECRET}


@pytest.mark.anyio
async def test_secrets_are_neither_logged_nor_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    command = rehearsal_command(state=tmp_path / "agent")
    providers = [
        AcpProvider(command, name="works", env=ENV, end_grace_seconds=0.2),
        AcpProvider(["no-such-agent"], name="missing", env=ENV),
        AcpProvider(["false"], name="dies", env=ENV, end_grace_seconds=0.2),
    ]
    options = RuntimeOptions(choose_provider=lambda _project, thread: thread.id)
    async with stage(tmp_path, providers=[*providers, rehearsal(tmp_path, name="t1")], options=options) as it:
        for name in ("works", "missing", "dies"):
            await it.open_thread(name)
        scripts = ("exec echo ${#AGENT_TOKEN} > length.txt", "garbage\nsay on", "stderr no\nexit 3")
        ends = [session_of(await it.perform(script, thread_id="works")).status for script in scripts]
        assert ends == ["ready", "ready", "error"]
        assert it.path("length.txt").read_text() == f"{len(SECRET)}\n"
        for name in ("missing", "dies"):
            await it.outcome((await it.ask("say never", thread_id=name)).event_id)
        seen = repr(it.runtime.health())
    assert SECRET not in seen + caplog.text
    assert _files_that_hold("no-such-agent", tmp_path) == ["state.db"]
    assert _files_that_hold(SECRET, tmp_path) == []


def _files_that_hold(text: str, directory: Path) -> list[str]:
    files = [path for path in directory.iterdir() if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "provider", [AcpProvider(["agent"], env=ENV), CodexProvider(env=ENV), ClaudeProvider(env=ENV)], ids=type
)
def test_provider_does_not_show_its_configuration(provider: Provider) -> None:
    assert SECRET not in repr(provider) + str(provider)
