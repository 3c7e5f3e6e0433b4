"""Questions of an agent to its user: answered, declined, cancelled, and asked again by another process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ...contracts.errors import ProviderProtocolError
from ...contracts.provider_events import ApprovalResolved, QuestionRequested, TurnCompleted
from .case import ProviderCase
from .reading import ReadSession, session

pytestmark = pytest.mark.anyio

TEXT = "Which colour?"
OPTIONS = ("red", "blue")


async def _asked(read: ReadSession, case: ProviderCase) -> QuestionRequested:
    await read.start_turn(case.ask_user(TEXT, *OPTIONS))
    asked = await read.until(QuestionRequested)
    (question,) = asked.questions
    assert question.text == TEXT
    assert tuple(option.label for option in question.options) == OPTIONS
    assert not question.multiple
    return asked


@pytest.mark.rule("question-answered")
@pytest.mark.vital
async def test_a_question_is_answered_and_the_turn_goes_on(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        asked = await _asked(read, case)
        await read.connection.respond(asked.request, "accept", answers={asked.questions[0].id: "blue"})
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="accept")]
        assert case.was_answered("blue", read.text())
        with pytest.raises(ProviderProtocolError, match="not open"):
            await read.connection.respond(asked.request, "decline")


@pytest.mark.rule("question-answered")
async def test_a_declined_question_lets_the_turn_go_on(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        asked = await _asked(read, case)
        await read.connection.respond(asked.request, "decline")
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="decline")]


@pytest.mark.rule("question-answered")
async def test_a_cancelled_question_ends_the_turn(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        asked = await _asked(read, case)
        await read.connection.respond(asked.request, "cancel")
        assert (await read.until(TurnCompleted)).outcome == "cancelled"
        assert (await read.turn(case.say("again"))).outcome == "completed"


@pytest.mark.rule("interrupt-ends-turn")
async def test_an_interrupt_resolves_an_open_question(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        asked = await _asked(read, case)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="cancel")]


@pytest.mark.rule("question-answered")
async def test_a_question_is_asked_again_by_another_process(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("resume", "process")) as first:
        await first.turn(case.say("pelican"))
        await _asked(first, case)
        cursor = first.connection.resume_cursor
        os.kill(first.process.pid, signal.SIGKILL)
        await first.rest()
    async with session(case.provider, workspace, cursor=cursor) as second:
        asked = await _asked(second, case)
        await second.connection.respond(asked.request, "accept", answers={asked.questions[0].id: "red"})
        assert (await second.until(TurnCompleted)).outcome == "completed"
