"""Turns: text, tools, failures, and the turn after them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from ...contracts.provider_events import MessageCompleted, MessageDelta, ToolCompleted, ToolStarted, TurnCompleted
from .case import ModelFailure, ProviderCase
from .reading import session

pytestmark = pytest.mark.anyio


@pytest.mark.rule("text-streams")
async def test_a_turn_streams_text_and_completes(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        completed = await read.turn(case.say("one", "two", "three"))
        assert completed == TurnCompleted(outcome="completed")
        assert read.text() == "one two three"
        assert read.of(MessageDelta)  # how many there are depends on the reader: pieces that wait are joined
        assert [event.item for event in read.of(MessageCompleted)] == [read.of(MessageDelta)[0].item]


@pytest.mark.rule("turn-ends-once")
async def test_turns_follow_each_other_in_one_session(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        for word in ("first", "second"):
            assert (await read.turn(case.say(word))).outcome == "completed"
        assert read.texts() == ["first", "second"]


@pytest.mark.rule("tools-reported")
async def test_a_tool_is_started_and_completed_between_messages(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        assert (await read.turn(case.run_tool())).outcome == "completed"
        (started,), (ended,) = read.of(ToolStarted), read.of(ToolCompleted)
        assert started.item == ended.item
        assert not ended.failed
        last_delta = max(index for index, event in enumerate(read.events) if isinstance(event, MessageDelta))
        assert read.events.index(started) < read.events.index(ended) < last_delta


@pytest.mark.rule("failure-has-cause")
@pytest.mark.vital
async def test_failing_turn_reports_the_reason_and_the_session_continues(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        failed = await read.turn(case.fail("out of quota"))
        assert failed.outcome == "failed"
        assert "out of quota" in (failed.error or "")
        assert (await read.turn(case.say("again"))).outcome == "completed"


@pytest.mark.rule("failure-has-cause")
@pytest.mark.parametrize("failure", get_args(ModelFailure))
async def test_a_model_that_fails_fails_the_turn_and_the_session_goes_on(
    case: ProviderCase, workspace: Path, failure: ModelFailure
) -> None:
    async with session(case.provider, workspace) as read:
        await read.start_turn(case.model_fails(failure))
        if failure in case.endless_retries:
            await read.connection.interrupt()
        ended = await read.until(TurnCompleted)
        assert ended.outcome == ("interrupted" if failure in case.endless_retries else "failed")
        assert ended.error or ended.outcome == "interrupted"
        assert (await read.turn(case.say("again"))).outcome == "completed"
