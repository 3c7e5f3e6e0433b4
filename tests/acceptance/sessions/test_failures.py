"""Agents that crash, cannot start or cannot resume: the failure is visible and bounded, and no agent is replaced
silently.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from orchestrion.actors.log.command_sender import CommandSender
from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions.intents import ThreadIntents
from orchestrion.contracts.errors import StoreFull
from orchestrion.contracts.values import Unset
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import session_stop, turn_interrupt
from tests.support.stage import activity, error_of, rehearsal, session, session_of, stage

pytestmark = pytest.mark.anyio


async def test_an_agent_crash_fails_the_turn_and_the_next_turn_resumes(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say one")
        turn = await it.ask("say so far\nstderr out of memory\nexit 3")
        failed = session_of(await it.ended(turn))

        assert failed.status == "error"
        assert failed.last_error == "the agent process ended with exit status 3: out of memory"
        thread = await it.thread()
        assert not isinstance(thread.messages, Unset)
        assert [message.streaming for message in thread.messages] == [False] * 4

        following = await it.ask("recall")
        await it.ended(following)
        assert "I remember 2 turns: say one | say so far" in await it.text_of(following)
        assert await it.turn_statuses() == ["completed", "error", "completed"]
        assert [row.status for row in await it.runtime_rows()] == ["error", "running"]


async def test_an_agent_that_dies_without_a_turn_is_started_again_at_the_next(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say one")
        (health,) = it.runtime.health().sessions
        assert health.pid is not None
        os.kill(health.pid, signal.SIGKILL)
        died = session_of(await it.until(session("error")))
        assert died.last_error == "the agent process ended with exit status -9"
        assert session_of(await it.perform("recall")).status == "ready"
        assert await it.turn_statuses() == ["completed", "completed"]


@pytest.mark.lesson("L17")
async def test_l17_a_refused_resume_is_a_visible_error_not_a_fresh_session(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say remember me")
        await it.send(session_stop())
        shutil.rmtree(tmp_path / "rehearsal-state")

        for _ in range(2):
            turn = await it.ask("recall")
            refused = await it.outcome(turn.event_id)
            assert activity("session.resume.failed")(refused)
            assert "does not resume" in error_of(refused)
            assert refused.correlation_id == turn.command_id
        thread = await it.thread()
        assert thread.session is not None
        assert thread.session.status == "error"
        assert await it.turn_statuses() == ["completed"]


@pytest.mark.lesson("L17")
async def test_l17_a_stop_after_a_refused_resume_drops_the_cursor(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say remember me")
        await it.send(session_stop())
        shutil.rmtree(tmp_path / "rehearsal-state")
        await it.outcome((await it.ask("recall")).event_id)
        await it.outcome((await it.send(session_stop())).event_id)
        fresh = await it.ask("recall")

        assert session_of(await it.ended(fresh)).status == "ready"
        assert "I remember 0 turns" in await it.text_of(fresh)


@pytest.mark.lesson("L17")
async def test_l17_a_stop_alone_never_drops_the_cursor(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say remember me")
        for _ in range(2):
            await it.outcome((await it.send(session_stop())).event_id)
        turn = await it.ask("recall")
        await it.ended(turn)
        assert "I remember 1 turns: say remember me" in await it.text_of(turn)


async def test_agent_that_cannot_resume_reports_it(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[rehearsal(tmp_path, resume="none")]) as it:
        await it.perform("say one")
        await it.send(session_stop())
        refused = await it.outcome((await it.ask("say two")).event_id)
        assert activity("session.resume.failed")(refused)


async def test_missing_program_fails_the_turn_with_a_remedy(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["no-such-agent"])]) as it:
        first, second = await it.ask("say never"), await it.ask("say never either")
        for turn in (first, second):
            failed = await it.outcome(turn.event_id)
            assert activity("turn.start.failed")(failed)
            assert "'no-such-agent' was not found: install it" in error_of(failed)
            assert failed.correlation_id == turn.command_id
        thread = await it.thread()
        assert thread.turns == ()
        assert thread.session is not None
        assert thread.session.status == "error"
        assert {row.status for row in await it.runtime_rows()} == {"error"}


@pytest.mark.parametrize("script", [None, "exit 3"], ids=["start", "crash"])
async def test_an_interrupt_ends_the_pause_after_an_agents_failure(tmp_path: Path, script: str | None) -> None:
    failing = AcpProvider(["no-such-agent"]) if script is None else rehearsal(tmp_path)
    limits = SessionLimits(restart_backoff=3600, longest_restart_backoff=3600)
    async with stage(tmp_path, providers=[failing], limits=limits) as it:
        first, second = await it.ask(script or "say never"), await it.ask("say never either")
        failed = await it.until(session("error"))
        assert failed.correlation_id == first.command_id
        await it.open_thread("t2")
        await it.outcome((await it.ask("say meanwhile", thread_id="t2")).event_id)  # longer than a start on t1 takes
        await it.send(turn_interrupt(turn_id=second.turn_id))
        assert activity("turn.cancelled")(await it.outcome(second.event_id))
        starts = [event for event in await it.log() if event.stream_id == "t1" and session("starting")(event)]
        assert len(starts) == 1


@pytest.mark.lesson("L125")
async def test_turn_that_follows_a_failed_start_waits_for_the_backoff(tmp_path: Path) -> None:
    limits = SessionLimits(restart_backoff=3600, longest_restart_backoff=3600)
    async with stage(tmp_path, providers=[AcpProvider(["no-such-agent"])], limits=limits) as it:
        await it.outcome((await it.ask("say never")).event_id)
        second = await it.ask("say never either")
        await it.open_thread("t2")
        await it.outcome((await it.ask("say meanwhile", thread_id="t2")).event_id)  # longer than a start on t1 takes
        await it.send(turn_interrupt(turn_id=second.turn_id))
        assert activity("turn.cancelled")(await it.outcome(second.event_id))
        starts = [event for event in await it.log() if event.stream_id == "t1" and session("starting")(event)]
        assert len(starts) == 1


async def test_where_no_turn_was_ever_handed_over_there_is_nothing_to_resume(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["no-such-agent"], name="rehearsal")]) as it:
        await it.outcome((await it.ask("say never")).event_id)
    async with stage(tmp_path) as again:
        turn = await again.ask("recall")
        assert session_of(await again.ended(turn)).status == "ready"
        assert "I remember 0 turns" in await again.text_of(turn)


@pytest.mark.lesson("L99")
async def test_agent_whose_end_cannot_be_recorded_blocks_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = RuntimeOptions(sessions=SessionLimits(storage_deadline=0.01))
    async with stage(tmp_path, providers=[rehearsal(tmp_path, resume="none")], options=options) as it:
        await it.perform("say one")
        (health,) = it.runtime.health().sessions
        assert health.pid is not None
        refused = anyio.Event()

        async def refuse(*_: object, **__: object) -> NoReturn:
            raise StoreFull("the disk is full")

        async def refuse_too(*_: object, **__: object) -> NoReturn:
            refused.set()
            raise StoreFull("the disk is full")

        with monkeypatch.context() as faults:
            faults.setattr(ThreadIntents, "read", refuse)
            faults.setattr(CommandSender, "send", refuse_too)
            turn = await it.ask("say two")
            await refused.wait()
        assert activity("session.resume.failed")(await it.outcome(turn.event_id))
        with pytest.raises(ProcessLookupError):
            os.kill(health.pid, 0)


async def test_a_missing_workspace_fails_the_turn_until_it_is_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        it.workspace.rmdir()
        failed = await it.outcome((await it.ask("say never")).event_id)
        assert "there is no such directory" in error_of(failed)
        it.workspace.mkdir()
        assert session_of(await it.perform("say back")).status == "ready"


async def test_an_agent_that_talks_no_protocol_is_an_error_and_no_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("garbage\nsay still here")
        reported = await it.until(activity("runtime.error"))
        assert "sent a line that is not a message" in str(reported.payload)
        assert await it.turn_statuses() == ["completed"]
