"""The log follower reads contiguous batches, whatever its channel holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.log import event_log
from orchestrion.contracts.events import LoggedEvent
from orchestrion.persistence.batches import Batch
from tests.support import builders as make
from tests.support.core import open_core

pytestmark = pytest.mark.anyio


@pytest.mark.lesson("L11")
async def test_a_batch_behind_a_gap_is_not_taken_before_the_gap_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 1)
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        follower = core.log.follow(0)
        await core.dispatch(make.project_create("in-the-channel"))
        await core.dispatch(make.project_create("finds-the-channel-full"))
        assert [event.sequence for event in follower.next_batch_nowait()] == [1]
        await core.dispatch(make.project_create("behind-the-gap"))
        assert list(follower.next_batch_nowait()) == []
        assert [event.sequence for event in await follower.next_batch()] == [2, 3]
        assert (follower.position, follower.lag) == (3, 0)
        follower.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_batch_lost_with_a_cancelled_task_frees_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` may cancel a task that has already been given a batch; anyio's own scopes do not."""
    monkeypatch.setattr(event_log, "CHANNEL_BYTES", 1)
    found: list[Sequence[LoggedEvent]] = []
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        follower = core.log.follow(0)

        async def read() -> None:
            found.append(await follower.next_batch())

        reading = asyncio.create_task(read())
        await anyio.wait_all_tasks_blocked()
        publish = core.log.publish

        def publish_and_cancel(batch: Batch) -> None:
            publish(batch)
            reading.cancel()

        with monkeypatch.context() as patched:
            patched.setattr(core.log, "publish", publish_and_cancel)
            await core.dispatch(make.project_create("lost"))
        await anyio.wait_all_tasks_blocked()
        assert (reading.cancelled(), found) == (True, [])
        assert [event.sequence for event in await follower.next_batch()] == [1]
        reading = asyncio.create_task(read())
        await anyio.wait_all_tasks_blocked()
        await core.dispatch(make.project_create("wakes"))
        await anyio.wait_all_tasks_blocked()
        assert reading.done(), "the follower was not woken"
        assert [[event.sequence for event in batch] for batch in found] == [[2]]
        follower.close()
