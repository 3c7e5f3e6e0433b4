"""Interrupts: of text, of a command, of an open request."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from ...actors.providers.adapter import ProcessIdentity
from ...actors.providers.process.process_table import commands_of
from ...contracts.provider_events import ApprovalRequested, ApprovalResolved, MessageDelta, TurnCompleted
from .case import ProviderCase
from .reading import SAFETY_NET_SECONDS, ReadSession, session

pytestmark = pytest.mark.anyio

POLL_SECONDS = 0.02


async def accept_all(read: ReadSession) -> None:
    while True:
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "accept")


async def commands_began(agent: ProcessIdentity) -> None:
    """Wait until the agent runs a command. No event reports it: commands are the agent's own."""
    while not await to_thread.run_sync(commands_of, agent):  # noqa: ASYNC110 - no event reports it
        await anyio.sleep(POLL_SECONDS)


async def commands_ended(agent: ProcessIdentity) -> None:
    """Wait until the agent runs no command."""
    while commands := await to_thread.run_sync(commands_of, agent):
        for pid in commands:
            with suppress(ProcessLookupError):
                command = os.pidfd_open(pid)
                try:
                    await anyio.wait_readable(command)
                finally:
                    os.close(command)


@pytest.mark.rule("interrupt-ends-turn")
async def test_an_interrupt_ends_the_turn_and_the_session_goes_on(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace) as read:
        await read.start_turn(case.talk_forever())
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        assert (await read.turn(case.say("again"))).outcome == "completed"


@pytest.mark.rule("interrupt-ends-turn")
@pytest.mark.vital
async def test_an_interrupt_ends_the_command_that_runs(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("process",)) as read:
        await read.start_turn(case.run_for_an_hour())
        agent = read.process
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept_all, read)
            await commands_began(agent)
            tasks.cancel_scope.cancel()
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        with anyio.fail_after(SAFETY_NET_SECONDS):
            await commands_ended(agent)


@pytest.mark.rule("interrupt-ends-turn")
async def test_an_interrupt_resolves_an_open_request(case: ProviderCase, workspace: Path) -> None:
    async with session(case.provider, workspace, needs=("approvals",)) as read:
        await read.start_turn(case.write("notes.txt", "hello"))
        asked = await read.until(ApprovalRequested)
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"
        assert read.of(ApprovalResolved) == [ApprovalResolved(request=asked.request, decision="cancel")]
        assert not await anyio.Path(workspace / "notes.txt").exists()
