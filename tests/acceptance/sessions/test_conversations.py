"""A thread continues without its agent's conversation: on request, by policy, or if the agent cannot resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.providers.adapter import Capabilities, TurnRequest
from orchestrion.contracts.events import ThreadActivityAppended
from orchestrion.contracts.provider_events import TurnCompleted
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import session_stop
from tests.support.inside_provider import InsideProvider
from tests.support.stage import Stage, activity, error_of, rehearsal, session_of, stage

pytestmark = pytest.mark.anyio

NO_RESUME = Capabilities(resume=False)
WAY_OUT = "send thread.session.stop with forgetConversation: true"


async def losses(it: Stage) -> list[str]:
    """The summaries of notes about lost conversations."""
    notes = [event.payload.activity for event in await it.log() if isinstance(event.payload, ThreadActivityAppended)]
    return [one.summary for one in notes if one.payload.get("contextLost") is True]


@pytest.mark.lesson("L33")
async def test_stop_that_forgets_lets_the_next_turn_start_afresh(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say remember me")
        stop = await it.send(session_stop(forget_conversation=True))
        assert session_of(await it.outcome(stop.event_id)).status == "stopped"
        assert [row.resume_cursor_json for row in await it.runtime_rows()] == [None]
        turn = await it.ask("recall")
        assert session_of(await it.ended(turn)).status == "ready"
        assert "I remember 0 turns" in await it.text_of(turn)


@pytest.mark.lesson("L33")
async def test_stop_forgets_without_an_agent_and_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say remember me")
    async with stage(tmp_path) as again:
        await again.outcome((await again.send(session_stop(forget_conversation=True))).event_id)
        turn = await again.ask("recall")
        await again.ended(turn)
        assert "I remember 0 turns" in await again.text_of(turn)


@pytest.mark.lesson("L33")
async def test_conversation_that_refuses_every_turn_names_the_way_to_leave_it(tmp_path: Path) -> None:
    def refused(turn: TurnRequest) -> TurnCompleted:
        if turn.text == "fine":
            return TurnCompleted(outcome="completed")
        return TurnCompleted(
            outcome="failed", error="no", reason="unauthenticated" if turn.text == "login" else "refused"
        )

    provider = InsideProvider(answer=refused)
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("refuse")).last_error == "no"
        await it.perform("fine")
    async with stage(tmp_path, providers=[provider]) as again:
        assert session_of(await again.perform("login")).last_error == "no"
        assert WAY_OUT in str(session_of(await again.perform("refuse")).last_error)
        why = (await again.thread()).last_failure
        assert why is not None
        assert (why.reason, WAY_OUT in why.message) == ("refused", True)
        await again.perform("fine")
        assert session_of(await again.perform("refuse")).last_error == "no"


@pytest.mark.lesson("L34")
async def test_agent_that_cannot_resume_reports_the_lost_conversation(tmp_path: Path) -> None:
    provider = InsideProvider(capabilities=NO_RESUME)
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("one")
        await it.outcome((await it.send(session_stop())).event_id)
        assert len(await losses(it)) == 1
        refused = await it.outcome((await it.ask("two")).event_id)
        assert activity("session.resume.failed")(refused)
        assert WAY_OUT in error_of(refused)
        await it.outcome((await it.send(session_stop(forget_conversation=True))).event_id)
        assert session_of(await it.perform("three")).status == "ready"
        assert len(await losses(it)) == 1


@pytest.mark.lesson("L34")
async def test_policy_allows_a_new_conversation_and_reports_the_loss(tmp_path: Path) -> None:
    provider = InsideProvider(capabilities=NO_RESUME)
    options = RuntimeOptions(resume_policy="start-afresh")
    async with stage(tmp_path, providers=[provider], options=options) as it:
        await it.perform("one")
    async with stage(tmp_path, providers=[provider], options=options) as again:
        assert session_of(await again.perform("two")).status == "ready"
        ended, afresh = await losses(again)
        assert "ended and cannot resume" in ended
        assert "starts afresh: the agent offers no way to resume" in afresh
        assert [request.resume_cursor for request in provider.requests] == [None, {"turns": 1}, None]


@pytest.mark.lesson("L33")
async def test_forgotten_conversation_moves_to_another_provider(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, name="old")]) as it:
        await it.perform("say one")
    async with stage(tmp_path, providers=[rehearsal(tmp_path, name="new")]) as again:
        failed = await again.outcome((await again.ask("say two")).event_id)
        assert WAY_OUT in error_of(failed)
        await again.outcome((await again.send(session_stop())).event_id)
        assert activity("turn.start.failed")(await again.outcome((await again.ask("say two")).event_id))
        await again.outcome((await again.send(session_stop(forget_conversation=True))).event_id)
        assert session_of(await again.perform("say three")).provider_name == "new"
        assert await again.turn_statuses() == ["completed", "completed"]


@pytest.mark.lesson("L33")
async def test_forgotten_conversation_keeps_its_provider_by_default(tmp_path: Path) -> None:
    left, right = InsideProvider("left"), InsideProvider("right")
    async with stage(tmp_path, providers=[left]) as it:
        await it.perform("one")
    async with stage(tmp_path, providers=[left, right]) as again:
        await again.outcome((await again.send(session_stop(forget_conversation=True))).event_id)
        assert session_of(await again.perform("two")).provider_name == "left"
