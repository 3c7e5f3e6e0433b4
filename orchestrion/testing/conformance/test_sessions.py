"""A session's start and end: the agent is ready, and nothing of it is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from ...actors.providers.process.process_table import start_time
from ...contracts.errors import ProviderUnavailable, SessionLost
from ...contracts.provider_events import MessageDelta, SessionStarted, TurnCompleted
from ..processes import processes_of_test
from .case import ProviderCase
from .reading import session

pytestmark = pytest.mark.anyio


@pytest.mark.rule("session-started")
async def test_a_session_starts_with_its_conversation(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        started = await read.until(SessionStarted)
        assert read.events == [started]
        assert read.connection.provider_thread_id is not None
        identity = read.connection.process
        if identity is not None:
            assert identity.started_at == await to_thread.run_sync(start_time, identity.pid)


@pytest.mark.rule("start-deadline")
async def test_an_agent_that_starts_slowly_is_waited_for(case: ProviderCase, workspace: Path) -> None:
    async with session(case.late(0.5, start_deadline_seconds=30), workspace) as read:
        assert (await read.turn(case.say("at last"))).outcome == "completed"


@pytest.mark.rule("start-deadline")
async def test_an_agent_that_starts_too_slowly_is_unavailable_and_ended(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ProviderUnavailable):
        async with session(case.late(3600, start_deadline_seconds=0.2), workspace):
            pytest.fail("the session was opened")
    assert await to_thread.run_sync(processes_of_test) == []


@pytest.mark.rule("close-ends-agent")
async def test_closing_ends_the_process_and_reports_it_last(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.turn(case.say("hello"))
        exited = await read.closed()
        assert exited.asked
        assert await read.has_ended()
        with pytest.raises(SessionLost):
            await read.start_turn(case.say("too late"))


@pytest.mark.rule("close-ends-agent")
async def test_closing_in_the_middle_of_a_turn_does_not_complete_it(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.start_turn(case.talk_forever())
        await read.until(MessageDelta)
        assert (await read.closed()).asked
        assert read.of(TurnCompleted) == []


@pytest.mark.rule("close-ends-agent")
async def test_leaving_ends_the_process(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.start_turn(case.talk_forever())
    assert await read.has_ended()


@pytest.mark.rule("close-ends-agent")
async def test_leaving_by_cancellation_ends_the_process(case: ProviderCase, workspace: Path) -> None:
    with anyio.CancelScope() as scope:
        async with session(case.provider, workspace) as read:
            scope.cancel()
            await anyio.sleep_forever()
    assert await read.has_ended()


@pytest.mark.rule("close-ends-agent")
async def test_an_error_of_the_body_leaves_as_it_is(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(LookupError, match="the body's own"):
        async with session(case.provider, workspace) as read:
            raise LookupError("the body's own")
    assert await read.has_ended()


@pytest.mark.rule("exit-reported")
async def test_an_agent_that_is_killed_exits_unasked(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("process",)) as read:
        await read.start_turn(case.talk_forever())
        await read.until(MessageDelta)
        os.kill(read.process.pid, signal.SIGKILL)
        exited = await read.exited()
        assert (exited.asked, exited.exit_code) == (False, -signal.SIGKILL)
        assert read.of(TurnCompleted) == []
        with pytest.raises(SessionLost):
            await read.connection.interrupt()


@pytest.mark.rule("sessions-independent")
async def test_two_connections_do_not_disturb_each_other(case: ProviderCase, workspace: Path) -> None:
    async with (
        session(case.provider, workspace) as one,
        session(case.provider, workspace) as two,
    ):
        await one.start_turn(case.talk_forever())
        await one.until(MessageDelta)
        assert (await two.turn(case.say("meanwhile"))).outcome == "completed"
        assert two.text() == "meanwhile"
        await two.closed()
        await one.connection.interrupt()
        assert (await one.until(TurnCompleted)).outcome == "interrupted"
