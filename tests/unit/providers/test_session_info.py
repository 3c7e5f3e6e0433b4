"""What agents report of their sessions becomes one shape, whole each time and only where it has changed."""

from __future__ import annotations

import attrs
import pytest

from orchestrion.actors.providers.acp.options import read_options
from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.claude.protocol import ClaudeConversation
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.actors.providers.claude.session_info import read_server_info
from orchestrion.actors.providers.codex.protocol import CodexConversation
from orchestrion.actors.providers.codex.session_info import first_info, with_lists
from orchestrion.contracts.ids import ProviderThreadId
from orchestrion.contracts.provider_events import SessionChoice, SessionInfoUpdated

pytestmark = pytest.mark.spec("E111")

THREAD = ProviderThreadId("s")
COMMANDS = {
    "sessionUpdate": "available_commands_update",
    "availableCommands": [{"name": "init", "description": "d"}, 7],
}
MODES = {"modes": {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}]}}


class TestAcp:
    def test_updates_complete_what_is_known(self) -> None:
        conversation = AcpConversation(session_id=THREAD)
        conversation, _ = conversation.take_update({"sessionId": "s", "update": COMMANDS})
        title = {"sessionUpdate": "session_info_update", "title": "Fix"}
        conversation, step = conversation.take_update({"sessionId": "s", "update": title})
        (info,) = step.events
        assert info == SessionInfoUpdated(
            title="Fix", commands=(SessionChoice(id="init", name="init", description="d"),)
        )
        assert conversation.take_update({"sessionId": "s", "update": COMMANDS})[1].events == ()

    def test_information_of_the_opening_is_reported_once_it_is_open(self) -> None:
        conversation = AcpConversation(session_id=THREAD, replaying=True)
        conversation, step = conversation.take_update({"sessionId": "s", "update": COMMANDS})
        assert step.events == ()
        conversation, _ = conversation.set_options(read_options(MODES))
        (info,) = conversation.end_replay()[1].events
        assert isinstance(info, SessionInfoUpdated)
        assert (info.current_mode, len(info.commands)) == ("ask", 1)

    def test_information_of_another_session_is_ignored(self) -> None:
        _, step = AcpConversation(session_id=THREAD).take_update({"sessionId": "other", "update": COMMANDS})
        assert [event for event in step.events if isinstance(event, SessionInfoUpdated)] == []


class TestCodex:
    def test_lists_and_notifications_complete_what_is_known(self) -> None:
        models = {"data": [{"model": "gpt", "displayName": "GPT"}, {"model": "old", "hidden": True}, None]}
        first = first_info(model="gpt", policy="untrusted")
        info = with_lists(first, models, {"account": None, "requiresOpenaiAuth": True})
        assert (info.models, info.login_needed, info.current_mode) == (
            (SessionChoice(id="gpt", name="GPT"),),
            True,
            "untrusted",
        )
        conversation, _ = CodexConversation(thread_id=THREAD).set_info(info)
        conversation, step = conversation.take_notification("account/updated", {"authMode": "chatgpt"})
        assert step.events == (attrs.evolve(info, login_needed=False, logins=()),)
        named = {"threadId": "s", "threadName": "Fix"}
        _, step = conversation.take_notification("thread/name/updated", named)
        assert [event.title for event in step.events if isinstance(event, SessionInfoUpdated)] == ["Fix"]


class TestClaude:
    def test_init_and_changed_commands_complete_what_is_known(self) -> None:
        info = read_server_info({"models": [{"value": "opus", "displayName": "Opus"}]}, mode="plan")
        conversation = ClaudeConversation(session=ClaudeSession(session_id=THREAD)).begin_turn("p")
        conversation, _ = conversation.set_info(info)
        init = {"type": "system", "subtype": "init", "model": "opus-5", "permissionMode": "default"}
        conversation, step = conversation.take_message({**init, "slash_commands": ["clear"]})
        (changed,) = step.events
        assert isinstance(changed, SessionInfoUpdated)
        assert (changed.current_mode, changed.current_model) == ("default", "opus-5")
        assert changed.commands == (SessionChoice(id="clear", name="clear"),)
        assert changed.models == (SessionChoice(id="opus", name="Opus"),)
        commands = {"type": "system", "subtype": "commands_changed", "commands": [{"name": "review"}]}
        _, step = conversation.take_message(commands)
        assert [len(event.commands) for event in step.events if isinstance(event, SessionInfoUpdated)] == [1]
