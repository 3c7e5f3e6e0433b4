"""Approvals are requested, answered and delivered, and none is left that nobody can answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.sessions.agent_run import MAX_ASKED_AGAIN
from orchestrion.contracts.errors import CommandRejected
from orchestrion.contracts.events import PersistedEvent, ThreadActivityAppended
from orchestrion.contracts.values import ApprovalDecision
from tests.support.builders import approval_respond, session_stop, thread_delete, turn_interrupt
from tests.support.stage import Asked, Stage, activity, error_of, request_of, session, session_of, stage

pytestmark = pytest.mark.anyio


async def _asked(it: Stage, script: str) -> tuple[Asked, PersistedEvent]:
    turn = await it.ask(script)
    return turn, await it.until(activity("approval.requested"), after=turn.sequence)


def content_of(event: PersistedEvent) -> dict[str, Any]:
    assert isinstance(event.payload, ThreadActivityAppended)
    return dict(event.payload.activity.payload)


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        ("accept", "wrote a.txt"),
        ("acceptForSession", "wrote a.txt"),
        ("decline", "did not write a.txt: rejected"),
    ],
)
async def test_a_decision_reaches_the_agent_and_settles_the_response(
    tmp_path: Path, decision: ApprovalDecision, text: str
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
        assert await it.text_of(turn) == text
        assert (await it.thread()).pending_approvals == ()
        assert await it.turn_statuses() == ["completed"]


async def test_a_cancelled_approval_ends_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "write a.txt content\nsay never")
        await it.send(approval_respond(request_id=request_of(asked), decision="cancel"))
        assert session_of(await it.ended(turn)).status == "interrupted"
        assert await it.turn_statuses() == ["interrupted"]
        assert not it.path("a.txt").exists()


async def test_accepted_permission_for_the_session_is_not_requested_again(tmp_path: Path) -> None:
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


def _seen(tmp_path: Path) -> AcpProvider:
    (tmp_path / "state").mkdir()
    agent = Path(__file__).resolve().parents[2] / "support" / "seen_agent.py"
    return AcpProvider([sys.executable, str(agent), str(tmp_path / "state")], end_grace_seconds=0.2)


MODES_ONLY = "say(ask(option('allow_always', 'yolo', 'Yolo mode'), option('reject_once', 'no', 'Reject')))"


@pytest.mark.lesson("L79")
async def test_an_answer_that_fits_no_option_is_asked_for_again(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[_seen(tmp_path)]) as it:
        turn, asked = await _asked(it, MODES_ONLY)
        response = await it.send(approval_respond(request_id=request_of(asked)))
        refused = await it.outcome(response.event_id)
        assert activity("approval.response.undelivered")(refused)
        assert "name one of 'yolo' (allow_always), 'no' (reject_once)" in error_of(refused)

        again = await it.until(activity("approval.requested"), after=refused.sequence)
        assert request_of(again) != request_of(asked)
        (pending,) = (await it.thread()).pending_approvals
        assert pending.request_id == request_of(again)
        assert pending.turn_id == turn.turn_id
        assert [one.id for one in pending.options] == ["yolo", "no"]
        first, second = content_of(asked), content_of(again)
        assert second == {**first, "requestId": request_of(again)}

        with pytest.raises(CommandRejected):
            await it.send(approval_respond(request_id=request_of(asked)))
        named = await it.send(approval_respond(request_id=request_of(again), option_id="yolo"))
        assert content_of(await it.outcome(named.event_id)) == {"requestId": request_of(again), "decision": "accept"}
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == "yolo"
        assert (await it.thread()).pending_approvals == ()


@pytest.mark.lesson("L89")
async def test_a_client_names_the_last_of_64_options(tmp_path: Path) -> None:
    options = "*(option('allow_once', f'o{number}', f'Answer {number}') for number in range(64))"
    async with stage(tmp_path, providers=[_seen(tmp_path)]) as it:
        turn, asked = await _asked(it, f"say(ask({options}))")
        (pending,) = (await it.thread()).pending_approvals
        assert [one.id for one in pending.options] == [f"o{number}" for number in range(64)]
        await it.send(approval_respond(request_id=request_of(asked), option_id="o63"))
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == "o63"


@pytest.mark.lesson("L79")
async def test_a_client_that_repeats_an_answer_that_does_not_fit_declines(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[_seen(tmp_path)]) as it:
        turn, asked = await _asked(it, MODES_ONLY)
        for _ in range(MAX_ASKED_AGAIN):
            response = await it.send(approval_respond(request_id=request_of(asked)))
            asked = await it.until(activity("approval.requested"), after=response.sequence)
        await it.send(approval_respond(request_id=request_of(asked)))
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == "no"
        requested = [event for event in await it.log() if activity("approval.requested")(event)]
        assert len({request_of(event) for event in requested}) == len(requested) == MAX_ASKED_AGAIN + 1
        assert (await it.thread()).pending_approvals == ()


@pytest.mark.lesson("L79")
async def test_an_interrupt_settles_a_request_that_was_asked_again(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[_seen(tmp_path)]) as it:
        turn, asked = await _asked(it, MODES_ONLY)
        response = await it.send(approval_respond(request_id=request_of(asked)))
        await it.until(activity("approval.requested"), after=response.sequence)
        await it.send(turn_interrupt())
        await it.ended(turn)
        assert await it.turn_statuses() == ["interrupted"]
        assert (await it.thread()).pending_approvals == ()


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
