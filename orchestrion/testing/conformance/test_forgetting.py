"""Agents that can forget (`RollsBack`): the named turns are gone, and no others."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from ...actors.providers.adapter import RollsBack, TurnRequest
from ...contracts.errors import ProviderError
from ...contracts.ids import TurnId
from ...contracts.provider_events import MessageDelta, TurnCompleted
from ...contracts.values import JsonObject
from .case import ProviderCase
from .reading import ReadSession, session, session_request

pytestmark = pytest.mark.anyio


async def turns_of(case: ProviderCase, workspace: Path, *words: str, cursor: JsonObject | None = None) -> JsonObject:
    """A session with a turn for each word, whose id is the word; its cursor."""
    async with session(case.provider, workspace, cursor=cursor) as read:
        for word in words:
            assert (await read.turn(case.say(word), turn_id=word)).outcome == "completed"
        left = read.connection.resume_cursor
    assert left is not None
    return left


async def forget(case: ProviderCase, workspace: Path, cursor: JsonObject, *turns: str) -> JsonObject | None:
    assert isinstance(case.provider, RollsBack)
    request = session_request(workspace, cursor)
    named = [TurnId(turn) for turn in turns]
    assert await case.provider.can_forget(request, named)
    return await case.provider.forget(request, named)


async def remembered(case: ProviderCase, workspace: Path, cursor: JsonObject | None, words: Sequence[str]) -> list[str]:
    """Those of the words that the agent knows when it is asked."""
    async with session(case.provider, workspace, cursor=cursor) as read:
        await read.turn(case.recall())
        return [word for word in words if word in read.text()]


async def interrupted_turn(read: ReadSession, case: ProviderCase, turn_id: str) -> None:
    await read.connection.start_turn(TurnRequest(text=f"{case.talk_forever()} {turn_id}", turn_id=TurnId(turn_id)))
    await read.until(MessageDelta)
    await read.connection.interrupt()
    assert (await read.until(TurnCompleted)).outcome == "interrupted"


@pytest.mark.rule("turns-forgotten")
async def test_the_turns_named_are_gone_and_the_earlier_ones_are_there(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron", "stork")
    left = await forget(rolling_case, workspace, cursor, "heron", "stork")
    assert await remembered(rolling_case, workspace, left, ["pelican", "heron", "stork"]) == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_asked_again_it_forgets_nothing_more(rolling_case: ProviderCase, workspace: Path) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron")
    assert await forget(rolling_case, workspace, cursor, "heron") is not None
    left = await forget(rolling_case, workspace, cursor, "heron")
    assert left is not None
    assert await forget(rolling_case, workspace, left, "heron") == left
    gone_on = await turns_of(rolling_case, workspace, "stork", cursor=left)
    last = await forget(rolling_case, workspace, gone_on, "heron")
    assert await remembered(rolling_case, workspace, last, ["pelican", "heron", "stork"]) == ["pelican", "stork"]


@pytest.mark.rule("turns-forgotten")
async def test_conversation_can_roll_back_twice(rolling_case: ProviderCase, workspace: Path) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron", "stork")
    left = await forget(rolling_case, workspace, cursor, "stork")
    gone_on = await turns_of(rolling_case, workspace, "swan", cursor=left)
    again = await forget(rolling_case, workspace, gone_on, "heron", "swan")
    assert await remembered(rolling_case, workspace, again, ["pelican", "heron", "stork", "swan"]) == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_turns_that_never_reached_the_agent_are_not_counted(rolling_case: ProviderCase, workspace: Path) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron")
    assert await forget(rolling_case, workspace, cursor, "never-1") == cursor
    left = await forget(rolling_case, workspace, cursor, "never-1", "heron", "never-2")
    assert await remembered(rolling_case, workspace, left, ["pelican", "heron"]) == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_interrupted_turns_are_kept_and_forgotten_as_others_are(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    async with session(rolling_case.provider, workspace) as read:
        await read.turn(rolling_case.say("pelican"), turn_id="pelican")
        await interrupted_turn(read, rolling_case, "heron")
        await read.turn(rolling_case.say("stork"), turn_id="stork")
        await interrupted_turn(read, rolling_case, "swan")
        cursor = read.connection.resume_cursor
    assert cursor is not None
    left = await forget(rolling_case, workspace, cursor, "stork", "swan")
    assert await remembered(rolling_case, workspace, left, ["pelican", "heron", "stork", "swan"]) == [
        "pelican",
        "heron",
    ]


@pytest.mark.rule("turns-forgotten")
async def test_conversation_without_turns_starts_as_a_new_one(rolling_case: ProviderCase, workspace: Path) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron")
    left = await forget(rolling_case, workspace, cursor, "pelican", "heron")
    assert await remembered(rolling_case, workspace, left, ["pelican", "heron"]) == []


@pytest.mark.rule("turns-forgotten")
async def test_an_agent_killed_in_the_next_turn_has_forgotten_the_reverted_ones(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    cursor = await turns_of(rolling_case, workspace, "pelican", "heron")
    left = await forget(rolling_case, workspace, cursor, "heron")
    async with session(rolling_case.provider, workspace, cursor=left) as read:
        await read.connection.start_turn(TurnRequest(text=rolling_case.talk_forever(), turn_id=TurnId("stork")))
        await read.until(MessageDelta)
        now = read.connection.resume_cursor
        os.kill(read.process.pid, signal.SIGKILL)
        await read.rest()
    for later in (left, now):
        assert await remembered(rolling_case, workspace, later, ["pelican", "heron"]) == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_rolling_back_an_unknown_conversation_is_refused(rolling_case: ProviderCase, workspace: Path) -> None:
    """Nothing is answered as if it had been done: the conversation is refused, now or when it is resumed."""
    assert isinstance(rolling_case.provider, RollsBack)
    request = session_request(workspace, dict(rolling_case.bogus_cursor))
    with pytest.raises(ProviderError):
        async with session(
            rolling_case.provider, workspace, cursor=await rolling_case.provider.forget(request, [TurnId("heron")])
        ):
            pytest.fail("the session was opened")
