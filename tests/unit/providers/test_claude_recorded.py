"""Recorded messages of a real Claude Code: a conversation that was written and read back continues as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.actors.providers.claude.protocol import ClaudeConversation
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.actors.providers.claude.steps import ClaudeStep
from orchestrion.actors.providers.conversation_state import dump_state, load_state
from orchestrion.contracts.ids import ProviderThreadId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    SessionNotice,
    ThreadStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    UsageUpdated,
)

RECORDED: Final[list[list[Any]]] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "support" / "recorded_claude.jsonl").read_text().splitlines()
]
"""Three turns: a message; a tool that is accepted; a tool whose request is open when the turn is interrupted."""

SESSION: Final = ProviderThreadId("3fcb9108-c4ef-4344-a32b-365f9bbe1e92")
BEGINNING: Final = ClaudeConversation(session=ClaudeSession(session_id=SESSION))


def taken(conversation: ClaudeConversation, entry: list[Any]) -> tuple[ClaudeConversation, ClaudeStep]:
    """The conversation after one recorded input."""
    match entry:
        case ["begin_turn", prompt]:
            return conversation.begin_turn(prompt), ClaudeStep()
        case ["take_message", message]:
            return conversation.take_message(message)
        case ["take_permission_request", tool, given, tool_use_id]:
            after, _, step = conversation.take_permission_request(tool, given, tool_use_id=tool_use_id)
            return after, step
        case ["answer_permission", request, decision]:
            return conversation.answer_permission(request, decision)
        case ["withdraw_permission", request]:
            return conversation.withdraw_permission(request)
        case ["interrupt_turn"]:
            return conversation.interrupt_turn()
    raise AssertionError(entry)


def played(conversation: ClaudeConversation, entries: list[list[Any]]) -> tuple[ClaudeConversation, list[ClaudeStep]]:
    steps = list[ClaudeStep]()
    for entry in entries:
        conversation, step = taken(conversation, entry)
        steps.append(step)
    return conversation, steps


def test_the_recorded_turns_are_reported() -> None:
    conversation, steps = played(BEGINNING, RECORDED)
    events = [event for step in steps for event in step.events]
    assert [type(event) for event in events] == [
        *(MessageDelta, MessageCompleted, UsageUpdated, TurnCompleted),
        *(MessageDelta, MessageCompleted, ToolStarted, ApprovalRequested, ApprovalResolved, ToolCompleted),
        *(MessageDelta, MessageCompleted, UsageUpdated, TurnCompleted),
        *(MessageDelta, MessageCompleted, ToolStarted, ApprovalRequested, ApprovalResolved, ToolCompleted),
        *(UsageUpdated, TurnCompleted),
    ]
    ends = [event.outcome for event in events if isinstance(event, TurnCompleted)]
    assert ends == ["completed", "completed", "interrupted"]
    assert sum(step.interrupt for step in steps) == 1
    assert not conversation.running


@pytest.mark.parametrize("place", range(len(RECORDED) + 1))
def test_a_restored_conversation_goes_on_as_the_one_before(place: int) -> None:
    before, _ = played(BEGINNING, RECORDED[:place])
    restored = load_state(dump_state(before), ClaudeConversation)
    assert restored == before
    assert played(restored, RECORDED[place:]) == played(before, RECORDED[place:])


def test_a_transition_leaves_the_value_before_it_as_it_was() -> None:
    conversation = BEGINNING
    for entry in RECORDED:
        written = dump_state(conversation)
        after, _ = taken(conversation, entry)
        assert dump_state(conversation) == written
        conversation = after


def test_a_result_of_another_session_moves_the_conversation() -> None:
    moved = ProviderThreadId("11111111-2222-4333-8444-555555555555")
    end = {"type": "result", "subtype": "success", "session_id": moved}
    after, step = BEGINNING.begin_turn("prompt-1").take_message(end)
    assert after.session == ClaudeSession(session_id=moved)
    assert step.events[0] == ThreadStarted(provider_thread_id=moved)
    assert step.events[-1] == TurnCompleted(outcome="completed")


def test_the_end_of_a_branchs_first_turn_writes_the_branch() -> None:
    branch = ClaudeSession(session_id=SESSION, branch_of=ProviderThreadId("old"), branch_at="message")
    conversation = ClaudeConversation(session=branch)
    after, _ = conversation.begin_turn("prompt-1").take_message({"type": "result", "subtype": "success"})
    assert after.session == ClaudeSession(session_id=SESSION)


@pytest.mark.parametrize("kind", [[], {}, 7, True, None, "", "of tomorrow"])
@pytest.mark.parametrize("field", ["type", "subtype"])
def test_a_kind_that_is_no_text_breaks_nothing(field: str, kind: Any) -> None:
    after, step = BEGINNING.begin_turn("prompt-1").take_message({"type": "system", field: kind})
    assert after.running
    assert all(isinstance(event, SessionNotice) and event.kind == "frames.ignored" for event in step.events)
