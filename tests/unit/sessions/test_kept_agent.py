"""The agent that a worker keeps: its end is reported once, however often it has to be tried."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from orchestrion.actors.sessions.agent_run import AgentRun
from orchestrion.actors.sessions.kept_agent import KeptAgent
from orchestrion.contracts.events import ThreadActivityAppended
from orchestrion.testing.given import given
from tests.support.builders import project_create, thread_create
from tests.support.scripted_agent import ModelDispatcher, ScriptedAgent, run_of, start

pytestmark = pytest.mark.anyio


class Starter:
    """Starts one run, and records nothing."""

    def __init__(self, run: AgentRun) -> None:
        self.run = run

    async def start(self, *_: object, **__: object) -> AgentRun:
        return self.run

    async def record_run(self, *_: object) -> None:
        pass


@pytest.mark.lesson("L123")
async def test_cancelled_end_reports_the_lost_conversation_once() -> None:
    dispatcher = ModelDispatcher(given(project_create(), thread_create()).host)
    agent, run, ended = ScriptedAgent(), run_of(dispatcher), list[bool]()
    closing, may_close, close = anyio.Event(), anyio.Event(), agent.close

    async def close_slowly() -> None:
        closing.set()
        await may_close.wait()
        await close()

    agent.close = close_slowly  # type: ignore[method-assign]  # what this agent does
    kept = KeptAgent(cast("Any", Starter(run)), changed=lambda: None, turn_begun=cast("Any", None))
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            await start(run, agent, tasks)
            await kept.start(cast("Any", SimpleNamespace()), cast("Any", None), tasks, correlation_id=None)

            async def end() -> None:
                await kept.end(loses_conversation=True, ended=ended.append)

            with anyio.CancelScope() as first:
                async with anyio.create_task_group() as ending:
                    ending.start_soon(end)
                    await closing.wait()
                    first.cancel()
            may_close.set()
            await end()
    payloads = [event.payload for event in dispatcher.host.log]
    notices = [one.activity for one in payloads if isinstance(one, ThreadActivityAppended)]
    assert [notice.payload.get("contextLost") for notice in notices] == [True]
    assert ended == [False]
