"""The reason why a turn failed stays readable, whatever happens to the thread's session later."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.contracts.events import ThreadActivityAppended
from orchestrion.contracts.ids import ThreadId
from tests.support.builders import checkpoint_revert
from tests.support.stage import Stage, activity, payload, session, session_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L32")]

CRASH = "stderr out of credit\nexit 3"
WHY = "the agent process ended with exit status 3: out of credit"


async def failures(it: Stage) -> list[tuple[object, object, object]]:
    found = [event.payload.activity for event in await it.log() if isinstance(event.payload, ThreadActivityAppended)]
    return [
        (one.payload["turnId"], one.payload["reason"], one.payload["message"])
        for one in found
        if one.kind == "turn.failed"
    ]


async def test_why_a_turn_failed_outlives_the_turns_and_sessions_that_follow(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        failed, following = await it.ask(CRASH), await it.ask("say fine")
        await it.ended(failed)
        assert session_of(await it.ended(following)).last_error is None

        assert await failures(it) == [(failed.turn_id, "agent_crashed", WHY)]
        (health,) = it.runtime.health().sessions
        assert health.last_error == WHY
        why = (await it.thread()).last_failure
        assert why is not None
        assert (why.turn_id, why.reason, why.message) == (failed.turn_id, "agent_crashed", WHY)
        answer = await it.runtime.handle("orchestration.getSnapshot", {"threadId": "t1", "detail": "summary"})
        (shown,) = answer["result"]["threads"]
        assert shown["lastFailure"] == {
            "turnId": failed.turn_id,
            "reason": "agent_crashed",
            "message": WHY,
            "at": why.at,
        }
        async with it.runtime.stream_snapshot() as snapshot:
            assert [thread.last_failure async for thread in snapshot] == [why]
    async with stage(tmp_path) as again:
        assert (await again.thread()).last_failure == why


async def test_turn_that_never_opened_has_a_reason_and_settles(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["no-such-agent"])]) as it:
        turn = await it.ask("say never")
        settled = await it.outcome(turn.event_id)
        assert activity("turn.start.failed")(settled)
        ((turn_id, reason, message),) = await failures(it)
        assert (turn_id, reason) == (turn.turn_id, "unknown")
        assert "'no-such-agent' was not found" in str(message)
        why = (await it.thread()).last_failure
        assert why is not None
        assert why.turn_id == turn.turn_id


async def test_threads_have_their_own_newest_failure_and_a_revert_takes_it_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        await it.perform("say fine")
        first, second = await it.ask(CRASH), await it.ask(CRASH)
        await it.ended(first)
        await it.ended(second)
        shown = {thread.id: thread.last_failure for thread in (await it.runtime.get_snapshot()).threads}
        newest = shown[ThreadId("t1")]
        assert newest is not None
        assert (newest.turn_id, shown[ThreadId("t2")]) == (second.turn_id, None)

        await it.until(activity("checkpoint.captured"), after=(await it.ended(second)).sequence)
        await it.send(checkpoint_revert(turn_count=1))
        await it.until(lambda event: event.event_type == "thread.reverted")
        assert (await it.thread()).last_failure is None


async def test_agent_that_dies_between_turns_leaves_its_reason_in_the_history(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say one")
        (health,) = it.runtime.health().sessions
        assert health.pid is not None
        os.kill(health.pid, signal.SIGKILL)
        await it.until(session("error"))
        assert session_of(await it.perform("say two")).status == "ready"
        (failed,) = [
            event.payload.activity
            for event in await it.log()
            if payload(ThreadActivityAppended)(event)
            and isinstance(event.payload, ThreadActivityAppended)
            and event.payload.activity.kind == "runtime.error"
        ]
        assert failed.payload["reason"] == "agent_crashed"
        assert (await it.thread()).last_failure is None
