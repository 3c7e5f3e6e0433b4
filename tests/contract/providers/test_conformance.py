"""What every adapter promises, on every agent that the `case` fixture names, with real processes."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import get_args

import anyio
import pytest
from anyio import to_thread

from orchestrion.actors.providers.adapter import ProcessIdentity, TurnRequest
from orchestrion.actors.providers.process.process_table import commands_of, start_time
from orchestrion.contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused, SessionLost
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    SessionExited,
    SessionStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from orchestrion.contracts.values import ApprovalDecision
from tests.support.orphans import processes_of_test
from tests.support.provider_case import ModelFailure, ProviderCase
from tests.support.provider_session import SAFETY_NET_SECONDS, ReadSession, all_have_ended, session

pytestmark = pytest.mark.anyio

POLL_SECONDS = 0.02


async def accept_all(read: ReadSession) -> None:
    while True:
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "accept")


async def commands_began(agent: ProcessIdentity) -> None:
    """Wait until the agent runs a command. Nothing tells of it: commands are the agent's own affair."""
    while not await to_thread.run_sync(commands_of, agent):  # noqa: ASYNC110 - no event says so
        await anyio.sleep(POLL_SECONDS)


async def commands_ended(agent: ProcessIdentity) -> None:
    """Wait until the agent runs no command."""
    while commands := await to_thread.run_sync(commands_of, agent):
        for pid in commands:
            with suppress(ProcessLookupError):
                command = os.pidfd_open(pid)
                try:
                    await anyio.wait_readable(command)
                finally:
                    os.close(command)


async def test_a_session_starts_with_its_conversation(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        started = await read.until(SessionStarted)
        assert read.told == [started]
        assert read.connection.provider_thread_id is not None
        identity = read.process
        assert identity.started_at == await to_thread.run_sync(start_time, identity.pid)


async def test_a_turn_streams_text_and_completes(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        completed = await read.turn(case.say("one", "two", "three"))
        assert completed == TurnCompleted(outcome="completed")
        assert read.text() == "one two three"
        assert read.of(MessageDelta)  # how many there are depends on the reader: pieces that wait are joined
        assert [event.item for event in read.of(MessageCompleted)] == [read.of(MessageDelta)[0].item]


async def test_turns_follow_each_other_in_one_session(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        for word in ("first", "second"):
            assert (await read.turn(case.say(word))).outcome == "completed"
        assert read.said() == ["first", "second"]


async def test_a_tool_is_started_and_completed_between_messages(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        assert (await read.turn(case.run_tool())).outcome == "completed"
        (started,), (ended,) = read.of(ToolStarted), read.of(ToolCompleted)
        assert started.item == ended.item
        assert not ended.failed
        last_delta = max(index for index, event in enumerate(read.told) if isinstance(event, MessageDelta))
        assert read.told.index(started) < read.told.index(ended) < last_delta


@pytest.mark.parametrize("decision", [pytest.param("accept", marks=pytest.mark.vital), "acceptForSession"])
async def test_an_accepted_request_is_carried_out(
    case: ProviderCase, workspace: Path, decision: ApprovalDecision
) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        assert asked.kind == "fileChange"
        assert not await anyio.Path(workspace / "notes.txt").exists()
        await read.connection.respond(asked.request, decision)
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert (await anyio.Path(workspace / "notes.txt").read_text()).removesuffix("\n") == "hello"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision=decision)]


async def test_a_declined_request_is_not_carried_out(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "decline")
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert not await anyio.Path(workspace / "notes.txt").exists()
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="decline")]


@pytest.mark.vital
async def test_a_cancelled_request_ends_the_turn(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "cancel")
        assert (await read.until(TurnCompleted)).outcome == "cancelled"
        assert not await anyio.Path(workspace / "notes.txt").exists()


async def test_an_answered_request_is_not_open_any_more(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "decline")
        with pytest.raises(ProviderProtocolError, match="not open"):
            await read.connection.respond(asked.request, "accept")


async def test_an_interrupt_ends_the_turn_and_the_session_goes_on(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.talk_forever()))
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        assert (await read.turn(case.say("again"))).outcome == "completed"


@pytest.mark.vital
async def test_an_interrupt_ends_the_command_that_runs(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.run_for_an_hour()))
        agent = read.process
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept_all, read)
            await commands_began(agent)
            tasks.cancel_scope.cancel()
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        with anyio.fail_after(SAFETY_NET_SECONDS):
            await commands_ended(agent)


async def test_an_interrupt_resolves_an_open_request(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="cancel")]
        assert not await anyio.Path(workspace / "notes.txt").exists()


@pytest.mark.vital
async def test_a_failing_turn_says_why_and_the_session_goes_on(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        failed = await read.turn(case.fail("out of quota"))
        assert failed.outcome == "failed"
        assert "out of quota" in (failed.error or "")
        assert (await read.turn(case.say("again"))).outcome == "completed"


@pytest.mark.parametrize("failure", get_args(ModelFailure))
async def test_a_model_that_fails_fails_the_turn_and_the_session_goes_on(
    case: ProviderCase, workspace: Path, failure: ModelFailure
) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.model_fails(failure)))
        if failure in case.endless_retries:
            await read.connection.interrupt()
        ended = await read.until(TurnCompleted)
        assert ended.outcome == ("interrupted" if failure in case.endless_retries else "failed")
        assert ended.error or ended.outcome == "interrupted"
        assert (await read.turn(case.say("again"))).outcome == "completed"


async def test_an_agent_that_starts_slowly_is_waited_for(case: ProviderCase, workspace: Path) -> None:
    async with session(case.late(0.5, start_deadline_seconds=30), workspace) as read:
        assert (await read.turn(case.say("at last"))).outcome == "completed"


async def test_an_agent_that_starts_too_slowly_is_unavailable_and_ended(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="did not start"):
        async with session(case.late(3600, start_deadline_seconds=0.2), workspace):
            pytest.fail("the session was opened")
    assert await to_thread.run_sync(processes_of_test) == []


async def test_closing_ends_the_process_and_reports_it_last(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.turn(case.say("hello"))
        exited = await read.closed()
        assert exited.asked
        assert await all_have_ended(read.process)
        with pytest.raises(SessionLost):
            await read.connection.start_turn(TurnRequest(text=case.say("too late")))


async def test_closing_in_the_middle_of_a_turn_does_not_complete_it(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.talk_forever()))
        await read.until(MessageDelta)
        assert (await read.closed()).asked
        assert read.of(TurnCompleted) == []


async def test_leaving_ends_the_process(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.talk_forever()))
    assert await all_have_ended(read.process)


async def test_leaving_by_cancellation_ends_the_process(case: ProviderCase, workspace: Path) -> None:
    with anyio.CancelScope() as scope:
        async with session(case.provider, workspace) as read:
            scope.cancel()
            await anyio.sleep_forever()
    assert await all_have_ended(read.process)


async def test_an_error_of_the_body_leaves_as_it_is(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(LookupError, match="the body's own"):
        async with session(case.provider, workspace) as read:
            raise LookupError("the body's own")
    assert await all_have_ended(read.process)


async def test_an_agent_that_is_killed_exits_unasked(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=case.talk_forever()))
        await read.until(MessageDelta)
        os.kill(read.process.pid, signal.SIGKILL)
        (*_, exited) = await read.rest()
        assert isinstance(exited, SessionExited)
        assert (exited.asked, exited.exit_code) == (False, -signal.SIGKILL)
        assert read.of(TurnCompleted) == []
        with pytest.raises(SessionLost):
            await read.connection.interrupt()


async def test_a_conversation_goes_on_in_another_process(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
        thread = first.connection.provider_thread_id
    async with session(case.provider, workspace, cursor=cursor) as second:
        assert second.connection.provider_thread_id == thread
        assert second.process != first.process
        await second.until(SessionStarted)
        await second.turn(case.recall())
        assert "pelican" in second.text()


async def test_history_is_not_told_again(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
    async with session(case.provider, workspace, cursor=cursor) as second:
        await second.turn(case.say("heron"))
        assert second.text() == "heron"
        assert second.told[0] == SessionStarted(provider_thread_id=second.connection.provider_thread_id)


async def test_a_conversation_survives_a_killed_agent(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
        os.kill(first.process.pid, signal.SIGKILL)
        await first.rest()
    async with session(case.provider, workspace, cursor=cursor) as second:
        await second.turn(case.recall())
        assert "pelican" in second.text()


@pytest.mark.vital
async def test_an_unknown_conversation_is_refused(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ResumeRefused):
        async with session(case.provider, workspace, cursor=dict(case.bogus_cursor)):
            pytest.fail("the session was opened")


async def test_a_cursor_of_another_shape_is_refused(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ResumeRefused):
        async with session(case.provider, workspace, cursor={"somethingElse": 1}):
            pytest.fail("the session was opened")


async def test_two_connections_do_not_disturb_each_other(case: ProviderCase, workspace: Path) -> None:
    async with (
        session(case.provider, workspace) as one,
        session(case.provider, workspace) as two,
    ):
        await one.connection.start_turn(TurnRequest(text=case.talk_forever()))
        await one.until(MessageDelta)
        assert (await two.turn(case.say("meanwhile"))).outcome == "completed"
        assert two.text() == "meanwhile"
        await two.closed()
        await one.connection.interrupt()
        assert (await one.until(TurnCompleted)).outcome == "interrupted"
