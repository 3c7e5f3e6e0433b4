"""The replay of an ACP session as the items of a conversation."""

from __future__ import annotations

from typing import Any, Final

from orchestrion.actors.providers.acp.past_sessions import ReplayedConversation
from orchestrion.contracts.conversations import PastActivity, PastItem, PastMessage
from orchestrion.contracts.ids import ProviderThreadId
from orchestrion.contracts.provider_events import ReasoningCompleted, ToolCompleted

SESSION: Final = ProviderThreadId("s-1")


def text(kind: str, words: str, **fields: Any) -> dict[str, Any]:
    return {"sessionUpdate": kind, "content": {"type": "text", "text": words}, **fields}


def replayed(*updates: Any, session: str = SESSION) -> tuple[PastItem, ...]:
    conversation = ReplayedConversation(SESSION)
    for update in updates:
        conversation.add({"sessionId": session, "update": update})
    return conversation.items()


def test_chunks_become_whole_messages_and_tools_are_between_them() -> None:
    user, thought, answer, tool, last, second = replayed(
        text("user_message_chunk", "Bake "),
        text("user_message_chunk", "bread"),
        text("agent_thought_chunk", "Flour first."),
        text("agent_message_chunk", "I "),
        text("agent_message_chunk", "look."),
        {"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "ls", "kind": "execute", "status": "pending"},
        {"sessionUpdate": "tool_call_update", "toolCallId": "c1", "status": "completed", "rawOutput": "flour"},
        text("agent_message_chunk", "There is flour."),
        text("user_message_chunk", "Thanks"),
    )
    assert user == PastMessage(role="user", text="Bake bread")
    assert thought == PastActivity(event=ReasoningCompleted(text="Flour first."))
    assert answer == PastMessage(role="assistant", text="I look.")
    assert isinstance(tool, PastActivity)
    assert isinstance(tool.event, ToolCompleted)
    assert (tool.event.title, tool.event.failed) == ("ls", False)
    assert last == PastMessage(role="assistant", text="There is flour.")
    assert second == PastMessage(role="user", text="Thanks")


def test_messages_with_other_ids_are_separate() -> None:
    assert replayed(
        text("user_message_chunk", "one", messageId="m1"),
        text("user_message_chunk", "two", messageId="m2"),
        text("agent_message_chunk", "three", messageId="m3"),
        text("agent_message_chunk", "four", messageId="m4"),
    ) == (
        PastMessage(role="user", text="one"),
        PastMessage(role="user", text="two"),
        PastMessage(role="assistant", text="three"),
        PastMessage(role="assistant", text="four"),
    )


def test_same_replay_gives_the_same_items_with_the_same_keys() -> None:
    call = {"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "ls", "status": "completed"}
    updates = (text("user_message_chunk", "Look"), call, text("agent_message_chunk", "Seen."))
    assert replayed(*updates) == replayed(*updates)


def test_images_of_a_user_are_named() -> None:
    image = {"sessionUpdate": "user_message_chunk", "content": {"type": "image", "data": "", "mimeType": "image/png"}}
    assert replayed(text("user_message_chunk", "See "), image) == (PastMessage(role="user", text="See [image]"),)


def test_updates_of_others_and_of_odd_shapes_are_left_out() -> None:
    odd: list[Any] = [None, 5, [], {"sessionUpdate": 7}, {"sessionUpdate": "user_message_chunk", "content": "text"}]
    assert replayed(text("user_message_chunk", "hello"), session="another") == ()
    assert [one for one in replayed(*odd) if isinstance(one, PastMessage) and one.text != "[]"] == []
