"""Requests for approval: asked before, answered once."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from ...contracts.errors import ProviderProtocolError
from ...contracts.provider_events import ApprovalRequested, ApprovalResolved, TurnCompleted
from ...contracts.values import ApprovalDecision
from .case import ProviderCase
from .reading import session

pytestmark = pytest.mark.anyio


@pytest.mark.rule("approval-awaited")
@pytest.mark.parametrize("decision", [pytest.param("accept", marks=pytest.mark.vital), "acceptForSession"])
async def test_an_accepted_request_is_carried_out(
    case: ProviderCase, workspace: Path, decision: ApprovalDecision
) -> None:
    async with session(case.provider, workspace, needs=("approvals",)) as read:
        await read.start_turn(case.write("notes.txt", "hello"))
        asked = await read.until(ApprovalRequested)
        assert asked.kind == "fileChange"
        assert not await anyio.Path(workspace / "notes.txt").exists()
        await read.connection.respond(asked.request, decision)
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert (await anyio.Path(workspace / "notes.txt").read_text()).removesuffix("\n") == "hello"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision=decision)]


@pytest.mark.rule("approval-decides")
async def test_a_declined_request_is_not_carried_out(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("approvals",)) as read:
        await read.start_turn(case.write("notes.txt", "hello"))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "decline")
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert not await anyio.Path(workspace / "notes.txt").exists()
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="decline")]


@pytest.mark.rule("approval-decides")
@pytest.mark.vital
async def test_a_cancelled_request_ends_the_turn(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("approvals",)) as read:
        await read.start_turn(case.write("notes.txt", "hello"))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "cancel")
        assert (await read.until(TurnCompleted)).outcome == "cancelled"
        assert not await anyio.Path(workspace / "notes.txt").exists()


@pytest.mark.rule("approval-awaited")
async def test_an_answered_request_is_not_open_any_more(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("approvals",)) as read:
        await read.start_turn(case.write("notes.txt", "hello"))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "decline")
        with pytest.raises(ProviderProtocolError, match="not open"):
            await read.connection.respond(asked.request, "accept")
