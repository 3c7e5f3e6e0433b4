"""Approvals: asked, answered, delivered, and never left to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.runtime.contracts.errors import CommandRejected
from orchestrion.runtime.contracts.events import PersistedEvent, ThreadActivityAppended
from orchestrion.runtime.contracts.values import ApprovalDecision
from tests.support.builders import approval_respond, session_stop, thread_delete, turn_interrupt
from tests.support.stage import Asked, Stage, activity, request_of, session, session_of, stage

pytestmark = pytest.mark.anyio


async def _asked(it: Stage, script: str) -> tuple[Asked, PersistedEvent]:
    turn = await it.ask(script)
    return turn, await it.until(activity("approval.requested"), after=turn.sequence)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("accept", "wrote a.txt"),
        ("acceptForSession", "wrote a.txt"),
        ("decline", "did not write a.txt: rejected"),
    ],
)
async def test_a_decision_reaches_the_agent_and_its_resolution_is_the_responses_outcome(
    tmp_path: Path, decision: ApprovalDecision, said: str
) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "write a.txt content")
        pending = (await it.thread()).pending_approvals
        assert [(one.request_id, one.turn_id) for one in pending] == [(request_of(asked), turn.turn_id)]

        response = await it.send(approval_respond(request_id=request_of(asked), decision=decision))
        resolved = await it.outcome(response.event_id)
        await it.ended(turn)

        assert isinstance(resolved.payload, ThreadActivityAppended)
        assert resolved.payload.activity.kind == "approval.resolved"
        assert resolved.payload.activity.payload == {"requestId": request_of(asked), "decision": decision}
        assert resolved.correlation_id == response.command_id
        assert await it.said(turn) == said
        assert (await it.thread()).pending_approvals == ()
        assert await it.turn_statuses() == ["completed"]


async def test_a_cancelled_approval_ends_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "write a.txt content\nsay never")
        await it.send(approval_respond(request_id=request_of(asked), decision="cancel"))
        assert session_of(await it.ended(turn)).status == "interrupted"
        assert await it.turn_statuses() == ["interrupted"]
        assert not it.path("a.txt").exists()


async def test_what_is_accepted_for_the_session_is_not_asked_for_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "write a.txt one\nwrite b.txt two")
        await it.send(approval_respond(request_id=request_of(asked), decision="acceptForSession"))
        await it.ended(turn)
        assert [activity("approval.requested")(event) for event in await it.log()].count(True) == 1
        assert it.path("b.txt").read_text() == "two"


async def test_an_interrupt_cancels_the_approval_that_is_open(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "ask may I")
        interrupt = await it.send(turn_interrupt())
        ended = await it.ended(turn)
        assert ended.causation_event_id == interrupt.event_id
        assert (await it.thread()).pending_approvals == ()
        with pytest.raises(CommandRejected):
            await it.send(approval_respond(request_id=request_of(asked)))


@pytest.mark.lesson("L3")
async def test_l03_approvals_resolve_when_their_session_ends(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        _, asked = await _asked(it, "ask may I")
        await it.send(session_stop())
        await it.until(session("stopped"))
        assert (await it.thread()).pending_approvals == ()
        with pytest.raises(CommandRejected):
            await it.send(approval_respond(request_id=request_of(asked)))


@pytest.mark.lesson("L3")
async def test_l03_approvals_resolve_when_their_thread_is_deleted(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await _asked(it, "ask may I")
        await it.send(thread_delete())
        assert (await it.thread()).pending_approvals == ()


@pytest.mark.lesson("L3")
async def test_l03_approvals_resolve_when_their_agent_dies(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "ask may I\nexit 3")
        response = await it.send(approval_respond(request_id=request_of(asked)))
        await it.ended(turn)
        await it.outcome(response.event_id)
        assert (await it.thread()).pending_approvals == ()
