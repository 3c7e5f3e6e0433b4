"""Agents that are generators of the host: what they yield, raise and ask. The conformance suite has the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrion.actors.providers.in_process.provider import in_process_provider
from orchestrion.actors.providers.in_process.turn import InProcessTurn, Run
from orchestrion.contracts.errors import AnswerRefused, ProviderError, ProviderProtocolError, StoreFull
from orchestrion.contracts.ids import ApprovalOptionId, ProviderItemId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from orchestrion.testing.conformance.reading import session

pytestmark = pytest.mark.anyio

Parts = AsyncIterator[ProviderRuntimeEvent | str]


def yielding(*parts: Any) -> Run:
    """A generator that yields these, and raises those of them that are errors."""

    async def run(turn: InProcessTurn) -> Parts:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            yield part

    return run


@pytest.fixture
def end_of_turn(workspace: Path) -> Callable[[Run], Any]:
    async def end(run: Run) -> TurnCompleted:
        async with session(in_process_provider("mine", run), workspace) as read:
            return await read.turn("go")

    return end


async def test_text_is_one_message_until_an_event_is_yielded(workspace: Path) -> None:
    tool = ProviderItemId("tool")
    parts = ("one ", "two", ToolStarted(item=tool, title="t"), ToolCompleted(item=tool, title="t"), "three")
    async with session(in_process_provider("mine", yielding(*parts)), workspace) as read:
        await read.turn("go")
        await read.turn("go")
    assert read.texts() == ["one two", "three"] * 2
    assert [event.item for event in read.of(MessageCompleted)] == list(
        dict.fromkeys(event.item for event in read.of(MessageDelta))
    )


async def test_items_of_two_turns_differ(workspace: Path) -> None:
    tool = ProviderItemId("tool")
    run = yielding(ToolStarted(item=tool, title="t"), ToolCompleted(item=tool, title="t"))
    async with session(in_process_provider("mine", run), workspace) as read:
        await read.turn("go")
        await read.turn("go")
    started, completed = read.of(ToolStarted), read.of(ToolCompleted)
    assert [event.item for event in started] == [event.item for event in completed]
    assert len({event.item for event in started}) == 2


@pytest.mark.spec("E52")
@pytest.mark.parametrize(
    ("raised", "reason", "error"),
    [
        (ProviderError("slow down", reason="rate_limited"), "rate_limited", "slow down"),
        (StoreFull("no space"), "storage", "StoreFull: no space"),
        (ValueError("no such tool"), "agent_crashed", "ValueError: no such tool"),
        (ExceptionGroup("tasks", [KeyError("name")]), "agent_crashed", "KeyError: 'name'"),
    ],
)
async def test_error_fails_the_turn_with_a_reason(
    end_of_turn: Callable[[Run], Any], raised: Exception, reason: str, error: str
) -> None:
    ended = await end_of_turn(yielding("half", raised))
    assert (ended.outcome, ended.reason, ended.error) == ("failed", reason, error)


@pytest.mark.spec("E52")
@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (7, "a turn yields text or events, but it reported int"),
        (SessionExited(asked=False), "a turn cannot yield SessionExited"),
        (ReasoningCompleted(text=b"bytes"), "ReasoningCompleted.text has the wrong type"),  # type: ignore[arg-type] # on purpose
    ],
)
async def test_what_is_no_part_of_a_turn_fails_it(end_of_turn: Callable[[Run], Any], part: object, fault: str) -> None:
    ended = await end_of_turn(yielding(part))
    assert (ended.outcome, ended.reason) == ("failed", "protocol")
    assert fault in ended.error


async def test_function_that_is_no_generator_fails_the_turn(end_of_turn: Callable[[Run], Any]) -> None:
    def run(turn: InProcessTurn) -> Any:
        return ["text"]

    ended = await end_of_turn(run)
    assert (ended.outcome, ended.error) == ("failed", "it is no asynchronous generator function")


async def test_turn_may_state_its_own_end(end_of_turn: Callable[[Run], Any]) -> None:
    end = TurnCompleted(outcome="failed", error="too long", reason="context_full")
    assert await end_of_turn(yielding("half", end, "never")) == end


@pytest.mark.spec("E52")
async def test_interrupt_runs_the_generators_cleanup(workspace: Path) -> None:
    cleaned: list[str] = []

    async def run(turn: InProcessTurn) -> Parts:
        try:
            yield "working"
            await anyio.sleep_forever()
        finally:
            cleaned.append(turn.text)

    async with session(in_process_provider("mine", run), workspace) as read:
        await read.start_turn("tidy up")
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="interrupted")
        assert cleaned == ["tidy up"]


async def test_question_that_the_generator_gives_up_is_resolved(workspace: Path) -> None:
    async def run(turn: InProcessTurn) -> Parts:
        with anyio.move_on_after(0):
            await turn.ask("May I?")
        yield "then not"

    async with session(in_process_provider("mine", run), workspace) as read:
        await read.turn("go")
        assert read.text() == "then not"
        asked = read.of(ApprovalRequested)
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=one.request, decision="cancel") for one in asked]


async def test_questions_of_several_tasks_are_answered_apart(workspace: Path) -> None:
    async def run(turn: InProcessTurn) -> Parts:
        decisions: dict[str, str] = {}

        async def ask(what: str) -> None:
            decisions[what] = await turn.ask(what)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "one")
            tasks.start_soon(ask, "two")
        yield str(sorted(decisions.items()))

    async with session(in_process_provider("mine", run), workspace) as read:
        await read.start_turn("go")
        asked = {event.summary: event.request for event in [await read.until(ApprovalRequested) for _ in range(2)]}
        await read.connection.respond(asked["two"], "decline")
        await read.connection.respond(asked["one"], "acceptForSession")
        await read.until(TurnCompleted)
        assert read.text() == "[('one', 'acceptForSession'), ('two', 'decline')]"


async def test_named_option_is_refused_and_leaves_the_request_open(workspace: Path) -> None:
    async def run(turn: InProcessTurn) -> Parts:
        yield await turn.ask("May I?")

    async with session(in_process_provider("mine", run), workspace) as read:
        await read.start_turn("go")
        asked = await read.until(ApprovalRequested)
        with pytest.raises(AnswerRefused, match="takes decisions only"):
            await read.connection.respond(asked.request, "accept", option=ApprovalOptionId("always"))
        await read.connection.respond(asked.request, "accept")
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert read.text() == "accept"


async def test_second_turn_is_refused_while_one_runs(workspace: Path) -> None:
    async def run(turn: InProcessTurn) -> Parts:
        yield "working"
        await anyio.sleep_forever()

    async with session(in_process_provider("mine", run), workspace) as read:
        await read.start_turn("first")
        with pytest.raises(ProviderProtocolError, match="a turn is running"):
            await read.start_turn("second")
