"""An agent on the protocol's own SDK: what it may not request, and what its client may choose."""

from __future__ import annotations

import itertools
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.provider_events import TurnCompleted
from orchestrion.testing.conformance.reading import session
from tests.support.sdk_case import SdkCase

pytestmark = pytest.mark.anyio


@pytest.fixture
def secret(tmp_path: Path, workspace: Path) -> Path:
    """A file outside the workspace, and a path to it through the workspace."""
    (workspace / "link").symlink_to(tmp_path)
    secret = tmp_path / "secret.txt"
    secret.write_text("not for agents")
    return secret


async def test_files_and_terminals_are_refused_and_the_turn_goes_on(
    tmp_path: Path, workspace: Path, secret: Path
) -> None:
    """These are not offered: an agent works in its workspace by its own means, with its own permissions."""
    paths = [workspace / name for name in ("inside.txt", "../secret.txt", "link/secret.txt")]
    async with session(SdkCase(tmp_path).provider, workspace) as read:
        asked = list(itertools.product(("read", "overwrite", "shell"), paths))
        for what, path in asked:
            assert (await read.turn(f"{what} {path}")).outcome == "completed"
        assert read.texts() == ["this client does not offer it"] * len(asked)
    assert await anyio.Path(secret).read_text() == "not for agents"
    assert not paths[0].exists()


async def test_a_turns_model_and_effort_hold_for_that_turn(tmp_path: Path, workspace: Path) -> None:
    choices = ((None, None), ("large", "high"), ("large", None), (None, "high"), (None, None))
    async with session(SdkCase(tmp_path).provider, workspace) as read:
        assert read.connection.capabilities.model_switch
        for model, effort in choices:
            await read.connection.start_turn(TurnRequest(text="which", model=model, effort=effort))
            await read.until(TurnCompleted)
        assert read.texts() == [
            "careful small low",
            "careful large high",
            "careful large high",
            "careful small high",
            "careful small low",
        ]


async def test_a_resumed_session_has_its_providers_mode_and_model(tmp_path: Path, workspace: Path) -> None:
    provider = SdkCase(tmp_path).in_mode("bold")
    async with session(provider, workspace) as first:
        await first.connection.start_turn(TurnRequest(text="which", model="large", effort="high"))
        await first.until(TurnCompleted)
        assert first.text() == "bold large high"
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn("which")
        assert second.text() == "bold small low"
        assert second.connection.resume_cursor == cursor


async def test_an_unknown_value_fails_only_the_turn_or_the_start(tmp_path: Path, workspace: Path) -> None:
    case = SdkCase(tmp_path)
    async with session(case.provider, workspace) as read:
        with pytest.raises(ProviderProtocolError, match="set_config_option was refused"):
            await read.connection.start_turn(TurnRequest(text="which", model="huge"))
        assert (await read.turn("say fine")).outcome == "completed"
    with pytest.raises(ProviderProtocolError, match="set_config_option was refused"):
        async with session(case.in_mode("reckless"), workspace):
            pytest.fail("the session was opened")


async def test_a_model_that_the_agent_offers_no_more_gives_way_to_its_own(tmp_path: Path, workspace: Path) -> None:
    provider = SdkCase(tmp_path).provider
    async with session(provider, workspace) as first:
        await first.turn("say hello")
        cursor = first.connection.resume_cursor
    assert cursor is not None
    async with session(provider, workspace, cursor={**cursor, "model": "retired"}) as second:
        assert (await second.turn("which")).outcome == "completed"
        assert second.text() == "careful small low"
        assert second.connection.resume_cursor == cursor
        with pytest.raises(ProviderProtocolError, match="set_config_option was refused"):
            await second.connection.start_turn(TurnRequest(text="which", model="retired"))
