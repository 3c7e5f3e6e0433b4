"""Stops end the agent and keep the conversation; turns queued before are cancelled, later turns run."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.contracts.events import ThreadMessageSent
from tests.support.builders import session_stop
from tests.support.stage import activity, payload, session, session_of, stage

pytestmark = pytest.mark.anyio


async def test_a_stop_cancels_queued_turns_and_keeps_the_conversation(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        running = await it.ask("say working\nwait-for never")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(running)).sequence)
        queued = await it.ask("say never")
        stop = await it.send(session_stop())
        after = await it.ask("recall")
        ended, stopped = await it.ended(running), await it.outcome(stop.event_id)

        assert ended.event_id == stopped.event_id
        assert session_of(stopped).status == "stopped"
        assert stopped.correlation_id == stop.command_id
        assert activity("turn.cancelled")(await it.outcome(queued.event_id))
        assert session_of(await it.ended(after)).status == "ready"
        assert "I remember 1 turns: say working / wait-for never" in await it.text_of(after)
        assert await it.turn_statuses() == ["interrupted", "completed"]
        first, second = await it.runtime_rows()
        assert (first.status, second.status) == ("stopped", "running")
        assert first.resume_cursor_json == second.resume_cursor_json


async def test_a_stop_of_an_idle_agent_keeps_its_cursor_and_its_session(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        ended = session_of(await it.perform("say hello"))
        stop = await it.send(session_stop())
        stopped = session_of(await it.outcome(stop.event_id))
        assert (stopped.status, stopped.provider_session_id) == ("stopped", ended.provider_session_id)
        (row,) = await it.runtime_rows()
        assert orjson.loads(row.resume_cursor_json or "null") == {"sessionId": ended.provider_thread_id}


async def test_a_stop_without_an_agent_is_settled(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        for _ in range(2):
            stop = await it.send(session_stop())
            assert session_of(await it.outcome(stop.event_id)).status == "stopped"


async def test_a_stop_waits_for_no_agent_that_is_starting(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["sleep", "3600"], end_grace_seconds=0.1)]) as it:
        queued = await it.ask("say never")
        await it.until(session("starting"))
        stop = await it.send(session_stop())
        assert activity("turn.cancelled")(await it.outcome(queued.event_id))
        assert session_of(await it.outcome(stop.event_id)).status == "stopped"
        (row,) = await it.runtime_rows()
        assert row.status == "stopped"


async def test_a_stop_of_a_stale_session_leaves_the_new_one_bound(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        old = session_of(await it.perform("say one"))
        stop = await it.send(session_stop())
        turn = await it.ask("say two")
        await it.outcome(stop.event_id)
        new = session_of(await it.ended(turn))
        thread = await it.thread()

        assert old.provider_session_id != new.provider_session_id
        assert thread.session == new
