"""An agent that needs a login: the thread shows the commands that log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrion.actors.providers.acp.session_info import read_login_commands
from orchestrion.actors.providers.adapter import AgentConnection, SessionRequest
from orchestrion.contracts.errors import ProviderUnavailable
from orchestrion.contracts.values import Unset
from tests.support.inside_provider import InsideProvider
from tests.support.stage import stage

pytestmark = pytest.mark.spec("E48")


class _NeedsLogin(InsideProvider):
    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[AgentConnection]:
        raise ProviderUnavailable("log in first", reason="unauthenticated", login=["agent login"])
        yield


@pytest.mark.anyio
async def test_missing_login_shows_the_command(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[_NeedsLogin()]) as it:
        await it.outcome((await it.ask("go")).event_id)
        thread = await it.thread()
        assert thread.last_failure is not None
        assert (thread.last_failure.reason, thread.last_failure.login) == ("unauthenticated", ("agent login",))
        assert not isinstance(thread.activities, Unset)
        (failed,) = [one.payload for one in thread.activities if one.kind == "turn.failed"]
        assert failed["login"] == ["agent login"]


def test_terminal_logins_of_an_acp_agent_are_commands() -> None:
    methods = [
        {"id": "key", "name": "Key", "type": "env_var"},
        {"id": "web", "name": "Browser", "type": "terminal", "args": ["login", "--with", "a b"]},
        {"id": "own", "name": "The agent's own"},
    ]
    assert read_login_commands(methods, "agent") == ("agent login --with 'a b'",)
    assert read_login_commands(None, "agent") == ()
