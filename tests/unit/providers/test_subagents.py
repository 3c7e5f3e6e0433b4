"""What sub-agents say and do is reported with the tool call that runs them, not among the turn's messages."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.claude.protocol import ClaudeConversation
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.actors.providers.codex.protocol import CodexConversation
from orchestrion.actors.sessions.open_calls import OpenCalls
from orchestrion.contracts.ids import ProviderItemId, ProviderThreadId
from orchestrion.contracts.provider_events import (
    MessageDelta,
    ProviderRuntimeEvent,
    SessionNotice,
    SubagentCompleted,
    SubagentMessage,
    SubagentStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)

pytestmark = pytest.mark.spec("E113")

THREAD = ProviderThreadId("s")
CALL = ProviderItemId("tool-1")


def test_acp_text_with_a_parent_is_a_message_of_the_sub_agent() -> None:
    conversation, _ = AcpConversation(session_id=THREAD).begin_turn()
    events: list[ProviderRuntimeEvent] = []

    def update(kind: str, **fields: Any) -> None:
        nonlocal conversation
        conversation, step = conversation.take_update({"sessionId": "s", "update": {"sessionUpdate": kind, **fields}})
        events.extend(step.events)

    meta = {"claudeCode": {"parentToolUseId": "t"}}
    update("tool_call", toolCallId="t", title="agent")
    for part in ("The sub-agent ", "is done."):
        update("agent_message_chunk", content={"type": "text", "text": part}, _meta=meta)
    update("agent_message_chunk", content={"type": "text", "text": "main"})
    assert events[1:] == [
        SubagentMessage(item=CALL, text="The sub-agent is done."),
        MessageDelta(item=ProviderItemId("message-1"), text="main"),
    ]


def test_messages_and_tools_of_a_spawned_codex_thread_have_its_call() -> None:
    conversation, _ = CodexConversation(thread_id=THREAD).begin_turn()
    events: list[ProviderRuntimeEvent] = []

    def notify(method: str, thread: str = "s", **fields: Any) -> None:
        nonlocal conversation
        conversation, step = conversation.take_notification(method, {"threadId": thread, **fields})
        events.extend(step.events)

    notify("turn/started", turn={"id": "a"})
    spawn = {"type": "collabAgentToolCall", "id": "c", "tool": "spawnAgent", "receiverThreadIds": ["sub"]}
    notify("item/completed", turnId="a", item=spawn)
    command = {"type": "commandExecution", "id": "x", "command": "ls"}
    notify("item/started", "sub", turnId="b", item=command)
    notify("item/completed", "sub", turnId="b", item={"type": "agentMessage", "id": "m", "text": "done"})
    notify("turn/completed", "sub", turn={"id": "b", "status": "completed"})
    notify("item/completed", "unknown", item={"type": "agentMessage", "id": "m", "text": "no"})
    (_, _, _, nested, said, ended) = events
    assert isinstance(nested, ToolStarted)
    assert nested.detail["parentItemId"] == CALL
    assert (said, ended) == (SubagentMessage(item=CALL, text="done"), SubagentCompleted(item=CALL))
    assert conversation.turn.running


def test_claude_text_of_a_sub_agent_has_its_call_as_parent() -> None:
    conversation = ClaudeConversation(session=ClaudeSession(session_id=THREAD)).begin_turn("p")
    blocks = [{"type": "text", "text": "found it"}]
    message = {"type": "assistant", "message": {"id": "m", "content": blocks}, "parent_tool_use_id": "use-1"}
    _, step = conversation.take_message(message)
    assert step.events == (SubagentMessage(item=ProviderItemId("use-1"), text="found it"),)


def test_sub_agent_starts_with_its_first_message_and_ends_with_its_call() -> None:
    calls = OpenCalls()
    said = SubagentMessage(item=CALL, text="done")
    calls.take(ToolStarted(item=CALL, title="Explore"))
    assert calls.take(said) == (SubagentStarted(item=CALL, title="Explore"), said)
    assert calls.take(said) == (said,)
    over = ToolCompleted(item=CALL, title="Explore")
    assert calls.take(over) == (over, SubagentCompleted(item=CALL))
    assert calls.take(SubagentCompleted(item=CALL)) == ()


def test_tool_with_a_parent_starts_its_sub_agent_and_the_turn_ends_it() -> None:
    calls = OpenCalls()
    inner = ToolStarted(item=ProviderItemId("tool-2"), title="ls", detail={"parentItemId": CALL})
    assert calls.take(inner) == (SubagentStarted(item=CALL, title="sub-agent"), inner)
    end = TurnCompleted(outcome="interrupted")
    assert calls.take(end) == (SubagentCompleted(item=CALL, failed=True), end)


@pytest.mark.lesson("L130")
def test_conversation_that_claude_clears_begins_its_costs_anew() -> None:
    conversation = ClaudeConversation(session=ClaudeSession(session_id=THREAD)).begin_turn("p")
    ended = {"type": "result", "subtype": "success", "user_message_uuids": ["p"], "total_cost_usd": 0.5}
    conversation, _ = conversation.take_message(ended)
    reset = {"type": "conversation_reset", "new_conversation_id": "n", "session_id": "s"}
    conversation, step = conversation.take_message(reset)
    (notice,) = step.events
    assert isinstance(notice, SessionNotice)
    assert notice.detail == {"contextLost": True, "from": "s"}
    assert conversation.usage.total_cost == 0.0
