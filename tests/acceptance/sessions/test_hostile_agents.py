"""Hostile agents: the turn ends, stored data is bounded, and the thread runs another turn."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.claude.provider import ClaudeProvider
from orchestrion.actors.sessions.open_calls import MAX_OPEN_APPROVALS
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.values import MAX_ACTIVITY_PAYLOAD_BYTES, MAX_ERROR_BYTES, MAX_MESSAGE_BYTES, Unset
from tests.support import hostile_agent, hostile_claude
from tests.support.stage import session_of, stage

pytestmark = pytest.mark.anyio

SHARES = {
    "open-calls-with-large-input": 0.025,
    "huge-titles-and-ids": 0.1,
    "numbers-that-json-does-not-have": 1.0,
    "fields-of-wrong-types": 1.0,
    "permissions": (MAX_OPEN_APPROVALS + 6) / 300,
    "huge-error": 0.1,
}
"""The share of each mode's full size: enough to meet its bound."""


CLAUDE_SHARES = {
    "claude-one-huge-delta": 0.3,
    "claude-open-calls-with-large-input": 0.025,
    "claude-wide-results": 0.1,
    "claude-permissions-with-large-input": 0.25,
    "claude-permissions-beyond-the-bound": 0.2,
    "claude-result-beyond-the-bound": 1.0,
}
FAILING = {"huge-error", "claude-result-beyond-the-bound"}


def provider_of(mode: str, directory: Path) -> Provider:
    if mode in CLAUDE_SHARES:
        pytest.importorskip("claude_agent_sdk", reason="make agents")
        program = hostile_claude.program(directory, mode, CLAUDE_SHARES[mode])
        return ClaudeProvider(cli_path=program, end_grace_seconds=0.2)
    command = [sys.executable, str(Path(hostile_agent.__file__)), mode, str(SHARES[mode])]
    return AcpProvider(command, end_grace_seconds=0.2)


@pytest.mark.lesson("L41", "L91")
@pytest.mark.parametrize("mode", [*SHARES, *CLAUDE_SHARES])
async def test_hostile_agents_data_is_bounded_and_the_thread_continues(tmp_path: Path, mode: str) -> None:
    async with stage(tmp_path, providers=[provider_of(mode, tmp_path)]) as it:
        for _ in range(2):
            ended = session_of(await it.perform("go"))
            assert ended.status == ("error" if mode in FAILING else "ready")
            assert len((ended.last_error or "").encode()) <= MAX_ERROR_BYTES
        thread = await it.thread()
        assert not isinstance(thread.messages, Unset)
        assert not isinstance(thread.activities, Unset)
        assert thread.pending_approvals == ()
        assert all(len(message.text.encode()) <= MAX_MESSAGE_BYTES + 64 for message in thread.messages)
        for activity in thread.activities:
            assert len(orjson.dumps(activity.payload)) <= MAX_ACTIVITY_PAYLOAD_BYTES
            assert len(activity.summary) <= 200
        assert len(orjson.dumps(to_json(thread.session))) < 2 * MAX_ERROR_BYTES
