"""The runtime works while its host occupies all of anyio's worker threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from orchestrion.contracts.ids import ThreadId
from orchestrion.runtime.host import open_runtime
from tests.support.stage import SAFETY_NET_SECONDS, rehearsal, session_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L30")]


@asynccontextmanager
async def no_thread_left() -> AsyncIterator[None]:
    """Occupy every thread of anyio's default limiter while the block runs."""
    limiter = anyio.to_thread.current_default_thread_limiter()
    borrowers = [object() for _ in range(int(limiter.available_tokens))]
    for borrower in borrowers:
        limiter.acquire_on_behalf_of_nowait(borrower)
    try:
        yield
    finally:
        for borrower in borrowers:
            limiter.release_on_behalf_of(borrower)


async def test_a_busy_host_keeps_nothing_from_opening_serving_or_stopping(tmp_path: Path) -> None:
    async with no_thread_left(), stage(tmp_path, providers=[rehearsal(tmp_path)]) as it:
        assert session_of(await it.perform("say well")).status == "ready"
        await it.runtime.rebuild()
        assert (await it.thread()).turns[0].status == "completed"


async def test_synchronous_endpoints_may_all_read_at_once(tmp_path: Path) -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    async with stage(tmp_path) as it:

        def endpoint() -> int:
            snapshot = anyio.from_thread.run(lambda: it.runtime.get_snapshot(thread_id=ThreadId("t1")))
            return int(snapshot.snapshot_sequence)

        answers: list[int] = []

        async def call() -> None:
            answers.append(await anyio.to_thread.run_sync(endpoint))

        async with anyio.create_task_group() as tasks:
            for _ in range(int(limiter.total_tokens) + 5):
                tasks.start_soon(call)
    assert set(answers) == {answers[0]}


async def test_a_dead_hosts_agents_are_ended_although_the_host_is_busy(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say well")
    with anyio.fail_after(SAFETY_NET_SECONDS):
        async with no_thread_left(), open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
            assert runtime.health().status == "running"
