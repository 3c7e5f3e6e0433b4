"""Agents inside the host, driven by a runtime: their memory is the thread's rows, and no process is recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.providers.in_process.provider import InProcessProvider, in_process_provider
from orchestrion.actors.providers.in_process.turn import InProcessTurn
from orchestrion.testing import temporary_runtime
from tests.support.builders import approval_respond, checkpoint_revert, image, session_stop, turn_interrupt
from tests.support.in_process_case import follow_prompt
from tests.support.stage import activity, request_of, session_of, stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider() -> InProcessProvider:
    return in_process_provider("in-process", follow_prompt)


@pytest.mark.spec("E50")
async def test_memory_survives_a_restart(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("say pelican")
    async with stage(tmp_path, providers=[provider]) as it:
        turn = await it.ask("recall")
        assert session_of(await it.ended(turn)).status == "ready"
        assert await it.text_of(turn) == "user: say pelican\nassistant: pelican\n"


@pytest.mark.spec("E50")
async def test_memory_follows_a_revert(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("say pelican")
        await it.perform("say heron")
        request = await it.send(checkpoint_revert(turn_count=1))
        await it.outcome(request.event_id)
        turn = await it.ask("recall")
        await it.ended(turn)
        assert await it.text_of(turn) == "user: say pelican\nassistant: pelican\n"


@pytest.mark.spec("E50")
async def test_forgotten_conversation_is_not_remembered(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("say pelican")
        request = await it.send(session_stop(forget_conversation=True))
        await it.outcome(request.event_id)
        await it.perform("say heron")
        turn = await it.ask("recall")
        await it.ended(turn)
        assert await it.text_of(turn) == "user: say heron\nassistant: heron\n"


@pytest.mark.spec("E50")
async def test_waiting_turns_are_not_history(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("say pelican")
        first, second = await it.ask("recall"), await it.ask("recall")
        await it.ended(second)
        assert await it.text_of(first) == "user: say pelican\nassistant: pelican\n"
        assert "user: recall" in await it.text_of(second)


@pytest.mark.spec("E50")
async def test_earlier_messages_name_their_attachments() -> None:
    async def list_attachments(turn: InProcessTurn) -> AsyncIterator[str]:
        for message in await turn.history(turns=1):
            yield f"{message.role}: {[one.name for one in message.attachments]} "
        yield str([one.name for one in turn.request.attachments])

    async with temporary_runtime(providers=[in_process_provider("in-process", list_attachments)]) as it:
        thread = await it.runtime.open_thread(workspace=it.workspace)
        for attachments in ((), (image("shot.png"),), ()):
            async with thread.turn("look", attachments=attachments) as turn:
                text = (await turn.result()).text
        assert text == "user: ['shot.png'] assistant: [] []"


@pytest.mark.spec("E51")
async def test_no_process_is_recorded_or_shown(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        await it.perform("say pelican")
        (session,) = it.runtime.health().sessions
        assert (session.pid, session.provider_name) == (None, "in-process")
        (row,) = await it.runtime_rows()
        assert row.adapter_key == "in-process"
        assert "pid" not in json.loads(row.runtime_payload_json or "")


async def test_interrupt_and_approval_pass_through_the_runtime(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        writing = await it.ask("write notes.txt hello")
        asked = await it.until(activity("approval.requested"))
        await it.send(approval_respond(request_id=request_of(asked), decision="accept"))
        assert session_of(await it.ended(writing)).status == "ready"
        assert await anyio.Path(it.path("notes.txt")).read_text() == "hello"
        talking = await it.ask("talk")
        await it.claimed(talking)
        await it.send(turn_interrupt(turn_id=talking.turn_id))
        assert session_of(await it.ended(talking)).status == "interrupted"


@pytest.mark.spec("E52")
async def test_error_of_the_generator_is_the_threads_last_failure(provider: InProcessProvider, tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("refuse out of credit")).status == "error"
        failure = (await it.thread()).last_failure
        assert failure is not None
        assert (failure.reason, failure.message) == ("rate_limited", "out of credit")
        assert session_of(await it.perform("say again")).status == "ready"
