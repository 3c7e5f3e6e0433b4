"""What a host gives a session: MCP servers and their secrets, and the model of a turn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import anyio
import pytest

from ...actors.providers.adapter import TurnRequest
from ...actors.providers.session_config import HostVariable, SessionConfig, StdioMcpServer
from ...contracts.provider_events import ApprovalRequested, TurnCompleted
from .case import ProviderCase
from .reading import ReadSession, RecordedHistory, session

pytestmark = pytest.mark.anyio

_PACKAGES: Final = str(Path(__file__).resolve().parents[3])


_SECRET: Final = "keeper-of-lines"


def _config(file: Path) -> SessionConfig:
    server = StdioMcpServer(
        command=sys.executable,
        args=("-m", "orchestrion.testing.conformance.mcp_server", str(file)),
        env={"KEEPER": HostVariable("ORCHESTRION_TEST_KEEPER"), "PYTHONPATH": _PACKAGES},
    )
    return SessionConfig(mcp_servers={"keeper": server})


async def _allowed_turn(read: ReadSession, prompt: str) -> TurnCompleted:
    """A whole turn, in which everything is allowed."""
    await read.connection.start_turn(TurnRequest(text=prompt))
    while True:
        event = await read.connection.events.receive()
        read.events.append(event)
        if isinstance(event, ApprovalRequested):
            await read.connection.respond(event.request, "accept")
        if isinstance(event, TurnCompleted):
            return event


@pytest.mark.rule("config-given")
async def test_an_mcp_server_is_used_also_after_resuming(
    case: ProviderCase, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRION_TEST_KEEPER", _SECRET)
    file, history = tmp_path / "kept.txt", RecordedHistory()
    config = _config(file)
    async with session(case.provider, workspace, history=history, needs=("resume",), config=config) as first:
        assert (await _allowed_turn(first, case.use_server("keeper", "keep", text="first"))).outcome == "completed"
        cursor = first.connection.resume_cursor
    async with session(case.provider, workspace, cursor=cursor, history=history, config=config) as second:
        assert (await _allowed_turn(second, case.use_server("keeper", "keep", text="second"))).outcome == "completed"
    assert await anyio.Path(file).read_text() == f"first {_SECRET}\nsecond {_SECRET}\n"


@pytest.mark.rule("model-of-turn")
async def test_a_model_of_a_turn_holds_for_that_turn(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("model_switch",)) as read:
        for model in (None, case.other_model, None):
            await read.connection.start_turn(TurnRequest(text=case.name_model(), model=model))
            await read.until(TurnCompleted)
        own, other, own_again = read.texts()
        assert own == own_again != other == case.other_model
