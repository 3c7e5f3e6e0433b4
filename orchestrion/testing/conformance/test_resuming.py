"""Conversations that another process continues."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ...contracts.errors import ResumeRefused
from ...contracts.provider_events import SessionStarted
from .case import ProviderCase
from .reading import RecordedHistory, session

pytestmark = pytest.mark.anyio


@pytest.mark.rule("conversation-resumes")
async def test_a_conversation_goes_on_in_another_process(case: ProviderCase, workspace: Path) -> None:
    history = RecordedHistory()
    async with session(case.provider, workspace, history=history, needs=("resume",)) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
        thread = first.connection.provider_thread_id
    async with session(case.provider, workspace, cursor=cursor, history=history) as second:
        assert second.connection.provider_thread_id == thread
        assert second.connection.process is None or second.process != first.process
        await second.until(SessionStarted)
        await second.turn(case.recall())
        assert "pelican" in second.text()


@pytest.mark.rule("history-dropped")
async def test_history_is_not_reported_again(case: ProviderCase, workspace: Path) -> None:
    history = RecordedHistory()
    async with session(case.provider, workspace, history=history, needs=("resume",)) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
    async with session(case.provider, workspace, cursor=cursor, history=history) as second:
        await second.turn(case.say("heron"))
        assert second.text() == "heron"
        assert second.events[0] == SessionStarted(provider_thread_id=second.connection.provider_thread_id)


@pytest.mark.rule("conversation-resumes")
async def test_a_conversation_survives_a_killed_agent(case: ProviderCase, workspace: Path) -> None:
    history = RecordedHistory()
    async with session(case.provider, workspace, history=history, needs=("resume", "process")) as first:
        await first.turn(case.say("pelican"))
        cursor = first.connection.resume_cursor
        os.kill(first.process.pid, signal.SIGKILL)
        await first.rest()
    async with session(case.provider, workspace, cursor=cursor, history=history) as second:
        await second.turn(case.recall())
        assert "pelican" in second.text()


@pytest.mark.rule("resume-refused")
@pytest.mark.vital
async def test_an_unknown_conversation_is_refused(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ResumeRefused):
        async with session(case.provider, workspace, cursor=dict(case.bogus_cursor)):
            pytest.fail("the session was opened")


@pytest.mark.rule("resume-refused")
async def test_a_cursor_of_another_shape_is_refused(case: ProviderCase, workspace: Path) -> None:
    with pytest.raises(ResumeRefused):
        async with session(case.provider, workspace, cursor={"somethingElse": 1}):
            pytest.fail("the session was opened")
