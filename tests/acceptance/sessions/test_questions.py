"""Questions of an agent: asked, answered, never left to nobody, and their secrets stored nowhere."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestrion.contracts.errors import CommandRejected
from orchestrion.contracts.events import PersistedEvent, ThreadActivityAppended, ThreadApprovalResponseRequested
from orchestrion.contracts.values import UNSET, ApprovalDecision
from orchestrion.persistence.crash_points import CrashPoint
from tests.support.builders import approval_respond, project_create, session_stop, thread_create, turn_start
from tests.support.raw_files import files_with
from tests.support.session_host import session_host
from tests.support.stage import Asked, Stage, activity, payload, request_of, session, session_of, stage

pytestmark = pytest.mark.anyio

SECRET = "correct horse battery staple"
COLOUR = "question Which colour?: red; blue"


async def _asked(it: Stage, script: str) -> tuple[Asked, PersistedEvent]:
    turn = await it.ask(script)
    return turn, await it.until(activity("question.requested"), after=turn.sequence)


@pytest.mark.spec("E120")
@pytest.mark.parametrize(("decision", "answer"), [("accept", "blue"), ("decline", "declined")])
async def test_an_answer_reaches_the_agent(tmp_path: Path, decision: ApprovalDecision, answer: str) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, COLOUR)
        (pending,) = (await it.thread()).pending_approvals
        assert (pending.request_id, pending.kind, pending.turn_id) == (request_of(asked), "question", turn.turn_id)
        assert [option.label for option in pending.questions[0].options] == ["red", "blue"]
        answers = {"answer": "blue"} if decision == "accept" else UNSET
        response = await it.send(approval_respond(request_id=request_of(asked), decision=decision, answers=answers))
        resolved = await it.outcome(response.event_id)
        assert isinstance(resolved.payload, ThreadActivityAppended)
        assert resolved.payload.activity.payload == {"requestId": request_of(asked), "decision": decision}
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == f"Which colour?: {answer}"
        assert (await it.thread()).pending_approvals == ()


@pytest.mark.spec("E120")
async def test_a_cancelled_question_ends_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, f"{COLOUR}\nsay never")
        await it.send(approval_respond(request_id=request_of(asked), decision="cancel"))
        assert session_of(await it.ended(turn)).status == "interrupted"


@pytest.mark.spec("E120")
async def test_questions_resolve_when_their_session_ends(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        _, asked = await _asked(it, COLOUR)
        await it.send(session_stop())
        await it.until(session("stopped"))
        assert (await it.thread()).pending_approvals == ()
        with pytest.raises(CommandRejected):
            await it.send(approval_respond(request_id=request_of(asked), answers={"answer": "red"}))


@pytest.mark.spec("E122")
async def test_a_secret_answer_reaches_the_agent_and_is_stored_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with stage(tmp_path) as it:
        turn, asked = await _asked(it, "secret Your pin?")
        request = request_of(asked)
        for wrong in ({"answer": SECRET, "more": SECRET}, {"answer": [SECRET]}):
            with pytest.raises(CommandRejected) as rejected:
                await it.send(approval_respond(request_id=request, answers=wrong))
            assert SECRET not in str(rejected.value)
        response = await it.send(approval_respond(request_id=request, answers={"answer": SECRET}))
        assert isinstance(response.payload, ThreadApprovalResponseRequested)
        assert response.payload.answers == {"answer": "[secret]"}
        await it.ended(turn)
        assert await it.text_of(turn) == f"Your pin?: {len(SECRET)}"
        assert files_with(tmp_path, SECRET) == []
    assert files_with(tmp_path, SECRET) == []
    assert SECRET not in caplog.text


@pytest.mark.spec("E122")
@pytest.mark.parametrize("crash_at", ["approval.answered", None], ids=["at the delivery", "after the commit"])
async def test_a_crash_loses_a_secret_answer_and_the_history_says_so(
    tmp_path: Path, crash_at: CrashPoint | None
) -> None:
    async with session_host(tmp_path, crash_at=crash_at) as host:
        await host.send(project_create(workspace_root=str(tmp_path / "workspace")), thread_create())
        await host.send(turn_start(message_id="m1", text="secret Your pin?\nhang"))
        asked = await host.activity("question.requested")
        await host.send(approval_respond(request_id=asked["payload"]["requestId"], answers={"answer": SECRET}))
        if crash_at is None:
            await host.until("thread.approval-response-requested")
            await host.kill()
        else:
            await host.died()
    assert files_with(tmp_path, SECRET) == []

    async with stage(tmp_path) as it:
        response = await it.until(payload(ThreadApprovalResponseRequested))
        closed = await it.outcome(response.event_id)
        assert isinstance(closed.payload, ThreadActivityAppended)
        if not activity("approval.resolved")(closed):
            assert closed.payload.activity.kind == "approval.response.undelivered"
            assert "secret answers were not stored" in closed.payload.activity.summary
        thread = await it.thread()
        assert (thread.pending_approvals, [turn.status for turn in thread.turns]) == ((), ["interrupted"])
        turn, again = await _asked(it, "secret Your pin?")
        await it.send(approval_respond(request_id=request_of(again), answers={"answer": SECRET}))
        assert session_of(await it.ended(turn)).status == "ready"
    assert files_with(tmp_path, SECRET) == []
