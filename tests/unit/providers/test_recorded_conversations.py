"""Recorded messages of real agents: a conversation that was written and read back continues as before.

The ACP agents are OpenCode and one made with the protocol's SDK. Each line of a recording is an input; a line
`conversation` begins the next conversation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.codex.protocol import CodexConversation
from orchestrion.actors.providers.conversation_state import dump_state
from orchestrion.actors.providers.jsonrpc.protocol import Result
from orchestrion.actors.providers.jsonrpc.steps import RpcStep
from orchestrion.contracts.ids import ProviderThreadId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    SessionInfoUpdated,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from tests.support.conversations import through_json

Conversation: TypeAlias = AcpConversation | CodexConversation
Entries: TypeAlias = list[list[Any]]

SUPPORT: Final = Path(__file__).parents[2] / "support"


def recorded(name: str) -> list[Entries]:
    conversations = list[Entries]()
    for line in (SUPPORT / name).read_text().splitlines():
        entry = json.loads(line)
        if entry[0] == "conversation":
            conversations.append([])
        conversations[-1].append(entry)
    return conversations


ACP: Final = recorded("recorded_acp.jsonl")
CODEX: Final = recorded("recorded_codex.jsonl")


def begun(entries: Entries) -> Conversation:
    """The conversation at the beginning of a recording."""
    identity = ProviderThreadId(entries[0][1])
    if entries in ACP:
        return AcpConversation(session_id=identity, replaying=True)
    return CodexConversation(thread_id=identity)


def taken(conversation: Conversation, entry: list[Any]) -> tuple[Conversation, RpcStep]:
    """The conversation after one recorded input."""
    name, *given = entry
    if name in ("take_prompt_reply", "take_turn_reply", "take_interrupt_reply"):
        given = [Result(id=0, value=given[0]["result"])]
    after, step = getattr(conversation, name)(*given)
    return after, step


def played(conversation: Conversation, entries: Entries) -> tuple[Conversation, list[RpcStep]]:
    steps = list[RpcStep]()
    for entry in entries:
        conversation, step = taken(conversation, entry)
        steps.append(step)
    return conversation, steps


ACP_TURNS: Final = [
    (
        *(SessionInfoUpdated, MessageDelta, MessageCompleted, ToolStarted, ToolUpdated, ApprovalRequested),
        *(ApprovalResolved, ToolCompleted, MessageDelta, MessageCompleted, UsageUpdated, TurnCompleted),
    ),
    (
        *(SessionInfoUpdated, MessageDelta, MessageCompleted, ToolStarted, ToolUpdated, ApprovalRequested),
        *(ApprovalResolved, ToolCompleted, UsageUpdated, TurnCompleted),
    ),
    (ToolStarted, ApprovalRequested, ApprovalResolved, ToolCompleted, TurnCompleted),
]
CODEX_TURNS: Final = [
    (
        *(TurnStarted, MessageDelta, MessageCompleted, ToolStarted, ApprovalRequested, ApprovalResolved),
        *(ToolCompleted, UsageUpdated, MessageDelta, MessageCompleted, UsageUpdated, TurnCompleted),
    ),
    (
        *(TurnStarted, MessageDelta, MessageCompleted, ToolStarted, ApprovalRequested, ApprovalResolved),
        *(UsageUpdated, ToolCompleted, TurnCompleted),
    ),
    (
        *(TurnStarted, MessageDelta, MessageCompleted, ToolStarted, ToolCompleted, UsageUpdated),
        *(MessageDelta, MessageCompleted, UsageUpdated, TurnCompleted),
    ),
]


@pytest.mark.parametrize(
    ("entries", "reported"), [*zip(ACP, ACP_TURNS, strict=True), *zip(CODEX, CODEX_TURNS, strict=True)]
)
def test_recorded_turns_are_reported(entries: Entries, reported: tuple[type, ...]) -> None:
    after, steps = played(begun(entries), entries[1:])
    assert [type(event) for step in steps for event in step.events] == list(reported)
    assert not after.running


@pytest.mark.parametrize("entries", [*ACP, *CODEX])
def test_restored_conversation_goes_on_as_the_one_before(entries: Entries) -> None:
    conversation, inputs = begun(entries), entries[1:]
    for place, entry in enumerate(inputs):
        assert played(through_json(conversation), inputs[place:]) == played(conversation, inputs[place:])
        conversation, _ = taken(conversation, entry)


@pytest.mark.parametrize("entries", [*ACP, *CODEX])
def test_transition_leaves_the_conversation_before_it(entries: Entries) -> None:
    conversation = begun(entries)
    for entry in entries[1:]:
        written = dump_state(conversation)
        after, _ = taken(conversation, entry)
        assert dump_state(conversation) == written
        conversation = after


def test_update_of_one_call_keeps_the_others() -> None:
    conversation, _ = AcpConversation(session_id=ProviderThreadId("s")).begin_turn()
    for number in range(100):
        call = {"sessionUpdate": "tool_call", "toolCallId": str(number), "title": "make"}
        conversation, _ = conversation.take_update({"sessionId": "s", "update": call})
    progress = {"sessionUpdate": "tool_call_update", "toolCallId": "7", "rawInput": {"n": 1}}
    after, _ = conversation.take_update({"sessionId": "s", "update": progress})
    before = conversation.tools.calls
    assert [key for key, call in after.tools.calls.items() if call is not before[key]] == ["7"]


@pytest.mark.parametrize("kind", [[], {}, 7, True, None, ""])
def test_item_whose_type_is_no_text_is_counted(kind: Any) -> None:
    conversation = CodexConversation(thread_id=ProviderThreadId("t"))
    for method in ("item/started", "item/completed"):
        conversation, step = conversation.take_notification(
            method, {"threadId": "t", "item": {"id": "i", "type": kind}}
        )
        assert all(isinstance(event, SessionNotice) and event.kind == "frames.ignored" for event in step.events)
    assert conversation.ignored.counts == {"item/": 1}
