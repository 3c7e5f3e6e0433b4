"""Agents that can forget (`RollsBack`): the named turns are gone, and no others."""

from __future__ import annotations

import os
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import pytest

from ...actors.providers.adapter import RollsBack
from ...contracts.errors import ProviderError
from ...contracts.ids import TurnId
from ...contracts.provider_events import MessageDelta, TurnCompleted
from ...contracts.values import JsonObject
from .case import ProviderCase
from .reading import ReadSession, RecordedHistory, session, session_request

pytestmark = pytest.mark.anyio


@attrs.frozen
class Conversation:
    """A conversation with the agent under test, in any number of sessions."""

    case: ProviderCase
    workspace: Path
    history: RecordedHistory = attrs.field(factory=RecordedHistory)

    def session(
        self, cursor: JsonObject | None = None, *, needs: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[ReadSession]:
        return session(self.case.provider, self.workspace, cursor=cursor, history=self.history, needs=needs)

    async def take_turns(self, *words: str, cursor: JsonObject | None = None) -> JsonObject:
        """A session with a turn for each word, whose id is the word; its cursor."""
        async with self.session(cursor) as read:
            for word in words:
                assert (await read.turn(self.case.say(word), turn_id=word)).outcome == "completed"
            left = read.connection.resume_cursor
        assert left is not None
        return left

    async def forget(self, cursor: JsonObject, *turns: str) -> JsonObject | None:
        """Have turns forgotten, as a revert does; the cursor of the rest."""
        assert isinstance(self.case.provider, RollsBack)
        request = session_request(self.workspace, cursor, self.history)
        named = [TurnId(turn) for turn in turns]
        assert await self.case.provider.can_forget(request, named)
        left = await self.case.provider.forget(request, named)
        self.history.remove(named)
        return left

    async def recall(self, cursor: JsonObject | None, *words: str) -> list[str]:
        """Those of the words that the agent knows when it is asked."""
        async with self.session(cursor) as read:
            await read.turn(self.case.recall())
            return [word for word in words if word in read.text()]


async def interrupted_turn(read: ReadSession, case: ProviderCase, turn_id: str) -> None:
    await read.start_turn(f"{case.talk_forever()} {turn_id}", turn_id=turn_id)
    await read.until(MessageDelta)
    await read.connection.interrupt()
    assert (await read.until(TurnCompleted)).outcome == "interrupted"


@pytest.mark.rule("turns-forgotten")
async def test_the_turns_named_are_gone_and_the_earlier_ones_are_there(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron", "stork")
    left = await conversation.forget(cursor, "heron", "stork")
    assert await conversation.recall(left, "pelican", "heron", "stork") == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_asked_again_it_forgets_nothing_more(rolling_case: ProviderCase, workspace: Path) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron")
    assert await conversation.forget(cursor, "heron") is not None
    left = await conversation.forget(cursor, "heron")
    assert left is not None
    assert await conversation.forget(left, "heron") == left
    gone_on = await conversation.take_turns("stork", cursor=left)
    last = await conversation.forget(gone_on, "heron")
    assert await conversation.recall(last, "pelican", "heron", "stork") == ["pelican", "stork"]


@pytest.mark.rule("turns-forgotten")
async def test_conversation_can_roll_back_twice(rolling_case: ProviderCase, workspace: Path) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron", "stork")
    left = await conversation.forget(cursor, "stork")
    gone_on = await conversation.take_turns("swan", cursor=left)
    again = await conversation.forget(gone_on, "heron", "swan")
    assert await conversation.recall(again, "pelican", "heron", "stork", "swan") == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_turns_that_never_reached_the_agent_are_not_counted(rolling_case: ProviderCase, workspace: Path) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron")
    assert await conversation.forget(cursor, "never-1") == cursor
    left = await conversation.forget(cursor, "never-1", "heron", "never-2")
    assert await conversation.recall(left, "pelican", "heron") == ["pelican"]


@pytest.mark.rule("turns-forgotten")
async def test_interrupted_turns_are_kept_and_forgotten_as_others_are(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    conversation = Conversation(rolling_case, workspace)
    async with conversation.session() as read:
        await read.turn(rolling_case.say("pelican"), turn_id="pelican")
        await interrupted_turn(read, rolling_case, "heron")
        await read.turn(rolling_case.say("stork"), turn_id="stork")
        await interrupted_turn(read, rolling_case, "swan")
        cursor = read.connection.resume_cursor
    assert cursor is not None
    left = await conversation.forget(cursor, "stork", "swan")
    assert await conversation.recall(left, "pelican", "heron", "stork", "swan") == [
        "pelican",
        "heron",
    ]


@pytest.mark.rule("turns-forgotten")
async def test_conversation_without_turns_starts_as_a_new_one(rolling_case: ProviderCase, workspace: Path) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron")
    left = await conversation.forget(cursor, "pelican", "heron")
    assert await conversation.recall(left, "pelican", "heron") == []


@pytest.mark.rule("turns-forgotten")
async def test_an_agent_killed_in_the_next_turn_has_forgotten_the_reverted_ones(
    rolling_case: ProviderCase, workspace: Path
) -> None:
    conversation = Conversation(rolling_case, workspace)
    cursor = await conversation.take_turns("pelican", "heron")
    left = await conversation.forget(cursor, "heron")
    async with conversation.session(left, needs=("process",)) as read:
        await read.start_turn(rolling_case.talk_forever(), turn_id="stork")
        await read.until(MessageDelta)
        now = read.connection.resume_cursor
        os.kill(read.process.pid, signal.SIGKILL)
        await read.rest()
    for later in (left, now):
        assert await conversation.recall(later, "pelican", "heron") == ["pelican"]


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
