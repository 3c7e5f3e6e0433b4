"""Behaviour that real agents of the Agent Client Protocol were seen to show, repeated by a small agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from orchestrion.actors.providers.acp import replay_watch
from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import SignsOfLife, TurnRequest
from orchestrion.actors.providers.codex.provider import CodexProvider
from orchestrion.actors.providers.jsonrpc.steps import RpcStep
from orchestrion.actors.providers.process import first_start
from orchestrion.contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from orchestrion.contracts.ids import ApprovalOptionId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    MessageDelta,
    SessionChoice,
    SessionInfoUpdated,
    SessionNotice,
    SessionStarted,
    ToolCompleted,
    TurnCompleted,
)
from orchestrion.contracts.values import ApprovalDecision, JsonObject
from orchestrion.testing.conformance.reading import ReadSession, session

pytestmark = pytest.mark.anyio

AGENT = Path(__file__).resolve().parents[2] / "support" / "seen_agent.py"
CURSOR: JsonObject = {"sessionId": "seen-1"}
OFFERED = (
    "option('allow_once', 'once', 'Allow'), option('allow_always', 'session', 'Allow for this session'),"
    "option('allow_always', 'ever', 'Allow permanently'), option('reject_once', 'no', 'Reject')"
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


@pytest.fixture
def provider(state: Path) -> AcpProvider:
    return provided(state)


def provided(state: Path, **options: Any) -> AcpProvider:
    return AcpProvider([sys.executable, str(AGENT), str(state)], end_grace_seconds=0.2, **options)


async def notices(read: ReadSession) -> list[SessionNotice]:
    """What was recorded of the session by the end of a turn."""
    await read.turn("say('x')")
    return read.of(SessionNotice)


@pytest.mark.lesson("L50")
@pytest.mark.parametrize(
    ("decision", "option", "taken"),
    [
        ("accept", None, "once"),
        ("acceptForSession", None, "session"),
        ("decline", None, "no"),
        ("accept", "ever", "ever"),
        ("decline", "no", "no"),
    ],
)
async def test_decision_is_answered_by_one_option(
    provider: AcpProvider, workspace: Path, decision: ApprovalDecision, option: str | None, taken: str
) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=f"say(ask({OFFERED}))"))
        asked = await read.until(ApprovalRequested)
        assert [(one.id, one.name, one.kind) for one in asked.options][2:] == [
            ("ever", "Allow permanently", "allow_always"),
            ("no", "Reject", "reject_once"),
        ]
        named = None if option is None else ApprovalOptionId(option)
        await read.connection.respond(asked.request, decision, option=named)
        await read.until(TurnCompleted)
        assert read.text() == taken


@pytest.mark.lesson("L50")
async def test_acceptance_that_no_option_fits_leaves_the_request_open(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(
            TurnRequest(text="say(ask(option('allow_always', 'bypassPermissions', 'Yes, bypass')))")
        )
        asked = await read.until(ApprovalRequested)
        with pytest.raises(ProviderProtocolError, match="name one of 'bypassPermissions'"):
            await read.connection.respond(asked.request, "accept")
        await read.connection.respond(asked.request, "accept", option=ApprovalOptionId("bypassPermissions"))
        await read.until(TurnCompleted)
        assert read.text() == "bypassPermissions"


@pytest.mark.lesson("L51")
async def test_text_tools_and_permissions_after_the_turn_are_reported(provider: AcpProvider, workspace: Path) -> None:
    late = f"say('now'); reply(); say(' and later'); say(ask({OFFERED}))"
    async with session(provider, workspace) as read:
        await read.turn(late)
        asked = await read.until(ApprovalRequested)
        assert read.texts() == ["now", " and later"]
        await read.connection.respond(asked.request, "accept")
        await read.until(MessageDelta)
        assert read.texts()[-1] == "once"


@pytest.mark.lesson("L52")
async def test_error_of_a_prompt_keeps_its_data_and_a_reason(provider: AcpProvider, workspace: Path) -> None:
    error = {"code": -32603, "message": "Internal error", "data": {"details": "429: quota exceeded"}}
    async with session(provider, workspace) as read:
        failed = await read.turn(f"reply({{'error': {error}}})")
        assert (failed.error, failed.reason) == ("Internal error: 429: quota exceeded", "rate_limited")


@pytest.mark.lesson("L52")
async def test_cancelled_prompt_that_ends_well_is_interrupted(provider: AcpProvider, workspace: Path) -> None:
    wait = "say('on it')\nwhile not (state / 'cancelled').exists(): time.sleep(0.005)"
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=wait))
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"


@pytest.mark.lesson("L53")
@pytest.mark.parametrize("capabilities", [{"loadSession": True}, {"sessionCapabilities": {"resume": {}}}])
async def test_replay_after_the_reply_is_not_the_next_turns_text(
    provider: AcpProvider, state: Path, workspace: Path, capabilities: JsonObject
) -> None:
    features = {"protocolVersion": 1, "agentCapabilities": capabilities}
    (state / "initialize").write_text(f"reply({{'result': {features}}})")
    (state / "load").write_text(
        "reply()\n"
        "def replay():\n"
        "    for n in range(20): update('user_message_chunk', content={}); say(f'OLD{n}'); time.sleep(0.02)\n"
        "threading.Thread(target=replay).start()"
    )
    async with session(provider, workspace, cursor=CURSOR) as read:
        await read.turn("say('new')")
        assert read.text() == "new"


async def test_replayed_update_whose_kind_is_no_text_is_dropped(
    provider: AcpProvider, state: Path, workspace: Path
) -> None:
    (state / "load").write_text("reply()\nupdate(['tool_call']); say('OLD')")
    async with session(provider, workspace, cursor=CURSOR) as read:
        await read.turn("say('new')")
        assert read.text() == "new"


@pytest.mark.lesson("L53")
async def test_endless_replay_is_given_up(
    provider: AcpProvider, state: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_watch, "_LONGEST_SECONDS", 0.05)
    (state / "load").write_text(
        "reply()\ndef replay():\n    while True: say('OLD'); time.sleep(0.02)\n"
        "threading.Thread(target=replay, daemon=True).start()"
    )
    with pytest.raises(ProviderUnavailable, match="still replaying its history"):
        async with session(provider, workspace, cursor=CURSOR):
            pytest.fail("the session was opened")


@pytest.mark.lesson("L53")
async def test_history_that_streams_longer_than_the_deadline_is_loaded(state: Path, workspace: Path) -> None:
    (state / "load").write_text("for n in range(20): say(f'OLD{n}'); time.sleep(0.05)")
    provider = provided(state, request_deadline_seconds=0.5)
    async with session(provider, workspace, cursor=CURSOR) as read:
        await read.turn("say('new')")
        assert read.text() == "new"


@pytest.mark.lesson("L53")
async def test_silence_while_loading_is_overdue(state: Path, workspace: Path) -> None:
    (state / "load").write_text("say('OLD'); time.sleep(3600)")
    with pytest.raises(ProviderUnavailable, match="session/load had no answer"):
        async with session(provided(state, request_deadline_seconds=0.1), workspace, cursor=CURSOR):
            pytest.fail("the session was opened")


@pytest.mark.lesson("L54")
@pytest.mark.parametrize("file", ["load", "new", "initialize"])
@pytest.mark.parametrize(
    "error",
    [{"code": -32000, "message": "Authentication required"}, {"code": 1, "message": "no", "data": "Invalid API key"}],
)
async def test_expired_login_is_no_lost_conversation(
    provider: AcpProvider, state: Path, workspace: Path, file: str, error: JsonObject
) -> None:
    (state / file).write_text(f"reply({{'error': {error}}})")
    with pytest.raises(ProviderUnavailable, match="the agent requires a login") as caught:
        async with session(provider, workspace, cursor=CURSOR if file == "load" else None):
            pytest.fail("the session was opened")
    assert caught.value.reason == "unauthenticated"
    assert caught.value.login
    assert file == "initialize" or "Log in: run `seen login`" in str(caught.value)


@pytest.mark.lesson("L54")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": -32002, "message": "no", "data": "Session not found"}, None),
        ({"code": -32000, "message": "Session seen-1 not found"}, None),
        ({"code": -32603, "message": "no", "data": "HTTP 429"}, "rate_limited"),
    ],
)
async def test_refusal_to_load_reports_whether_the_conversation_is_lost(
    provider: AcpProvider, state: Path, workspace: Path, error: JsonObject, reason: str | None
) -> None:
    kind = ResumeRefused if reason is None else ProviderUnavailable
    (state / "load").write_text(f"reply({{'error': {error}}})")
    with pytest.raises(kind) as caught:
        async with session(provider, workspace, cursor=CURSOR):
            pytest.fail("the session was opened")
    assert caught.value.reason == (reason or "refused")


@pytest.mark.lesson("L54")
async def test_mode_that_is_refused_on_resume_is_a_notice(state: Path, workspace: Path) -> None:
    for file in ("new", "load"):
        (state / file).write_text("reply({'result': {'sessionId': SESSION, 'configOptions': MODES}})")
    provider = provided(state, mode="plan")
    async with session(provider, workspace) as first:
        info = await first.until(SessionInfoUpdated)
        assert info.current_mode == "plan"
        assert SessionChoice(id="plan", name="Plan") in info.modes
        cursor = first.connection.resume_cursor
    (state / "set-mode").write_text("reply({'error': {'code': 1, 'message': 'no', 'data': 'Already in plan mode'}})")
    async with session(provider, workspace, cursor=cursor) as second:
        (notice,) = await notices(second)
        assert "without the mode 'plan'" in notice.summary
        assert "Already in plan mode" in notice.summary
    with pytest.raises(ProviderProtocolError, match="Already in plan mode"):
        async with session(provider, workspace):
            pytest.fail("a new session was opened in another mode")


@pytest.mark.lesson("L54")
@pytest.mark.parametrize(
    "left",
    [
        "update('current_mode_update', currentModeId='default')",
        "update('config_option_update', configOptions=MODES)",
    ],
)
async def test_mode_that_was_left_is_not_forced_back(state: Path, workspace: Path, left: str) -> None:
    for file in ("new", "load"):
        (state / file).write_text("reply({'result': {'sessionId': SESSION, 'configOptions': MODES}})")
    provider = provided(state, mode="plan")
    async with session(provider, workspace) as first:
        await first.turn(left)
        assert [info.current_mode for info in first.of(SessionInfoUpdated)] == ["plan", "default"]
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn("say('x')")
        assert second.connection.resume_cursor == cursor
    assert (state / "modes-set").read_text().split() == ["plan"]
    async with session(provided(state, mode=None), workspace, cursor={**CURSOR, "mode": "plan"}) as third:
        await third.turn("say('x')")
    assert (state / "modes-set").read_text().split() == ["plan", "plan"]


async def test_mode_of_another_session_is_not_the_sessions_mode(state: Path, workspace: Path) -> None:
    (state / "new").write_text("reply({'result': {'sessionId': SESSION, 'configOptions': MODES}})")
    other = "{'sessionId': 'other', 'update': {'sessionUpdate': 'current_mode_update', 'currentModeId': 'default'}}"
    async with session(provided(state, mode="plan"), workspace) as read:
        before = read.connection.resume_cursor
        await read.turn(f"send({{'method': 'session/update', 'params': {other}}})")
        assert read.connection.resume_cursor == before
        assert [info.current_mode for info in read.of(SessionInfoUpdated)] == ["plan"]
        assert [notice.kind for notice in read.of(SessionNotice)] == ["frames.ignored"]


@pytest.mark.lesson("L55")
@pytest.mark.parametrize(
    ("script", "quoted"),
    [
        (
            "raw('npm notice %d\\n' * 0 + ''.join(f'npm notice {n}\\n' for n in range(120)))",
            "npm notice 0\nnpm notice 1",
        ),
        ("raw('\\x1b[31mno licence\\x1b[0m\\n'); os._exit(0)", "exited with code 0 before it was ready"),
        ("raw('\\x1b[31mno licence\\x1b[0m\\n'); os._exit(0)", "its output begins: no licence"),
        ("sys.stderr.write('\\x1b[31mno disk\\x1b[0m\\n'); sys.stderr.flush(); os._exit(3)", "code 3 before it was"),
        ("sys.stderr.write('\\x1b[31mno disk\\x1b[0m\\n'); sys.stderr.flush(); os._exit(3)", "ready: no disk"),
        ("os._exit(0)", "it wrote nothing to standard error"),
        ("raw('Password: '); time.sleep(3600)", "its output begins: Password:"),
        ("os.kill(os.getpid(), 9)", "was ended by signal 9"),
    ],
)
async def test_why_an_agent_did_not_come_up_is_in_the_error(
    state: Path, workspace: Path, script: str, quoted: str
) -> None:
    (state / "initialize").write_text(script)
    provider = provided(state, start_deadline_seconds=1.0)
    with pytest.raises(ProviderUnavailable) as caught:
        async with session(provider, workspace):
            pytest.fail("the session was opened")
    assert quoted in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert caught.value.reason is not None


@pytest.mark.lesson("L55")
async def test_banner_before_the_first_message_is_a_notice(provider: AcpProvider, state: Path, workspace: Path) -> None:
    (state / "initialize").write_text("raw('\\ufeff\\x1b[2JWelcome!\\n\\n\\x1b[1mPassword: ')")
    async with session(provider, workspace) as read:
        (notice,) = await notices(read)
        assert notice.detail["text"].startswith("Welcome!")


@pytest.mark.lesson("L57")
async def test_first_starts_come_one_after_the_other(
    provider: AcpProvider, state: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "SET_UP_SECONDS", 60.0)
    (state / "initialize").write_text(  # two agents that set the home up at once fail: the second finds `starting`
        "if not (state / 'home').exists():\n"
        "    (state / 'starting').mkdir(); time.sleep(0.05); (state / 'starting').rmdir(); (state / 'home').mkdir()"
    )

    async def opened() -> None:
        async with session(provider, workspace) as read:
            await read.turn("say('x')")

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(opened)


@pytest.mark.lesson("L57")
async def test_first_start_that_hangs_blocks_others_only_briefly(
    provider: AcpProvider, state: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "SET_UP_SECONDS", 0.05)
    os.mkfifo(state / "hangs")
    (state / "initialize").write_text(
        "try: (state / 'first').mkdir()\n"
        "except FileExistsError: pass\n"
        "else: (state / 'hangs').write_text('yes'); time.sleep(3600)"
    )
    async with anyio.create_task_group() as tasks:

        async def hanging() -> None:
            async with session(provider, workspace):
                pytest.fail("the session was opened")

        tasks.start_soon(hanging)
        assert await to_thread.run_sync((state / "hangs").read_text) == "yes"
        async with session(provider, workspace) as read:
            assert (await read.turn("say('x')")).outcome == "completed"
        tasks.cancel_scope.cancel()


@pytest.mark.lesson("L57")
async def test_every_byte_is_a_sign_of_life(
    provider: AcpProvider, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, updated = anyio.Event(), AcpConversation.take_update

    def update(self: AcpConversation, params: Any) -> tuple[AcpConversation, RpcStep]:
        if params["update"]["sessionUpdate"] == "usage_update":
            arrived.set()
        return updated(self, params)

    monkeypatch.setattr(AcpConversation, "take_update", update)
    async with session(provider, workspace) as read:
        assert isinstance(read.connection, SignsOfLife)
        before = read.connection.heard_at
        script = "update('usage_update', used=1)\nwhile not (state / 'cancelled').exists(): time.sleep(0.005)"
        await read.connection.start_turn(TurnRequest(text=script))
        await arrived.wait()
        assert read.connection.heard_at > before
        await read.connection.interrupt()
        await read.until(TurnCompleted)


@pytest.mark.lesson("L57")
@pytest.mark.parametrize("command", ["my agent", b"my agent", [b"my", b"agent"], [1]])
@pytest.mark.parametrize("provider_of", [AcpProvider, lambda command: CodexProvider(command=command)])
async def test_command_that_is_no_sequence_of_text_is_refused(command: Any, provider_of: Any) -> None:
    with pytest.raises(TypeError, match="text"):
        provider_of(command)


@pytest.mark.lesson("L56")
async def test_writes_without_permission_are_noticed_once(provider: AcpProvider, workspace: Path) -> None:
    write = "update('tool_call', toolCallId='w', title='Write a', kind='edit', status='completed')"
    async with session(provider, workspace) as first:
        await first.turn(write)
        await first.turn(write)
        (notice,) = first.of(SessionNotice)
        assert "without asking" in notice.summary
        assert len(first.of(ToolCompleted)) == 2
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn(write)
        assert second.of(SessionNotice) == []


@pytest.mark.lesson("L180")
async def test_unknown_message_while_a_session_opens_does_not_precede_its_start(
    provider: AcpProvider, state: Path, workspace: Path
) -> None:
    await anyio.Path(state / "load").write_text("reply()\nsend({'method': 'seen/mode-update', 'params': {}})")
    async with session(provider, workspace, cursor=CURSOR) as read:
        assert (await read.turn("say('hello')")).outcome == "completed"
        assert isinstance(read.events[0], SessionStarted)
