"""Each message of an agent leads to an event or is counted by its kind: the ledger of a connection, and the counts."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.claude.protocol import ClaudeConversation
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.actors.providers.codex.protocol import CodexConversation
from orchestrion.actors.providers.frame_ledger import FrameLedger
from orchestrion.actors.providers.ignored_frames import IgnoredFrames
from orchestrion.contracts.ids import ProviderThreadId
from tests.unit.providers import test_claude_recorded as claude
from tests.unit.providers import test_recorded_conversations as others

pytestmark = pytest.mark.spec("E112")

THREAD = ProviderThreadId("s")


def test_message_without_effect_and_count_is_unaccounted() -> None:
    ledger, counted = FrameLedger(), [0]

    def handle(*, effect: bool, counts: bool) -> None:
        with ledger.count(lambda: counted[0]):
            counted[0] += counts
            if effect:
                ledger.note_effect()

    handle(effect=True, counts=False)
    handle(effect=False, counts=True)
    handle(effect=True, counts=True)
    assert (ledger.received, ledger.effective, ledger.ignored, ledger.unaccounted) == (3, 1, 2, 0)
    handle(effect=False, counts=False)
    assert ledger.unaccounted == 1


def test_message_whose_handling_failed_is_accounted() -> None:
    ledger = FrameLedger()
    with pytest.raises(ValueError, match="broken"), ledger.count(lambda: 0):
        raise ValueError("broken")
    assert (ledger.failed, ledger.unaccounted) == (1, 0)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        ({"sessionUpdate": "user_message_chunk"}, "user_message_chunk"),
        ({"sessionUpdate": "agent_message_chunk", "content": {"type": "image"}}, "agent_message_chunk"),
        ({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "failed"}, None),
    ],
)
def test_update_without_event_is_counted_by_its_kind(update: dict[str, Any], kind: str | None) -> None:
    after, step = AcpConversation(session_id=THREAD).take_update({"sessionId": "s", "update": update})
    assert after.ignored.known == ({} if kind is None else {kind: 1})
    assert bool(step.events) == (kind is None)


def test_replayed_history_is_counted() -> None:
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}}
    after, _ = AcpConversation(session_id=THREAD, replaying=True).take_update({"sessionId": "s", "update": chunk})
    assert after.ignored.known == {"replayed agent_message_chunk": 1}


def test_notification_of_another_thread_is_counted() -> None:
    after, _ = CodexConversation(thread_id=THREAD).take_notification("turn/diff/updated", {"threadId": "other"})
    assert after.ignored.known == {"turn/diff/updated of another thread": 1}


def test_message_of_claude_without_event_is_counted() -> None:
    conversation = ClaudeConversation(session=ClaudeSession(session_id=THREAD)).begin_turn("p")
    after, _ = conversation.take_message({"type": "system", "subtype": "status"})
    assert after.ignored.known == {"system/status": 1}


def test_report_of_unknown_messages_has_the_known_ones() -> None:
    ignored, (notice,) = IgnoredFrames().skip("silent").add("new")
    assert notice.detail == {"kinds": {"new": 1}, "known": {"silent": 1}}
    assert ignored.total == 2


def test_recorded_messages_lead_to_events_or_are_counted() -> None:
    for entries in [*others.ACP, *others.CODEX]:
        conversation = others.begun(entries)
        for entry in entries[1:]:
            before = conversation.ignored.total
            conversation, step = others.taken(conversation, entry)
            if entry[0] in ("take_update", "take_notification"):
                assert step.events or step.calls or conversation.ignored.total == before + 1
    value = claude.BEGINNING
    for entry in claude.RECORDED:
        before = value.ignored.total
        value, claude_step = claude.taken(value, entry)
        if entry[0] == "take_message":
            assert claude_step.events or claude_step.interrupt or value.ignored.total == before + 1
