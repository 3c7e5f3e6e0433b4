"""The snapshot that is read while it is iterated equals the whole one, and is one cut."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion import Label, open_runtime, to_json
from orchestrion.actors.projecting.snapshot_stream import THREADS_AT_ONCE
from tests.support import builders as make
from tests.support.core import write_log
from tests.support.random_commands import random_log

pytestmark = pytest.mark.anyio

LOG = random_log(31, 900)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def test_it_is_the_whole_snapshot_thread_by_thread(path: Path) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        whole = await runtime.get_snapshot()
        async with runtime.stream_snapshot() as stream:
            assert (stream.snapshot_sequence, stream.updated_at) == (whole.snapshot_sequence, whole.updated_at)
            assert stream.projects == whole.projects
            assert [to_json(thread) async for thread in stream] == [to_json(thread) for thread in whole.threads]
    assert whole.threads


async def test_events_committed_meanwhile_are_not_in_the_snapshot(path: Path) -> None:
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create())
        for number in range(THREADS_AT_ONCE + 1):
            await runtime.dispatch(make.thread_create(f"t{number:02}"))
        async with runtime.stream_snapshot() as stream:
            first = await anext(stream)
            late = make.thread_meta_update(f"t{THREADS_AT_ONCE}", title=Label("changed meanwhile"))
            await runtime.dispatch(late, wait_for=["projection.threads"])
            titles = [thread.title async for thread in stream]
        now = await runtime.get_snapshot()
    assert first.id == "t00"
    assert len(titles) == THREADS_AT_ONCE
    assert "changed meanwhile" not in titles
    assert now.threads[-1].title == "changed meanwhile"


async def test_a_stream_that_is_left_early_gives_its_connection_back(path: Path) -> None:
    await write_log(path, LOG)
    async with open_runtime(path) as runtime:
        with anyio.fail_after(180):
            for _ in range(10):
                async with runtime.stream_snapshot() as stream:
                    await anext(stream)
            assert (await runtime.get_snapshot()).threads


async def test_an_empty_log_streams_nothing(path: Path) -> None:
    async with open_runtime(path) as runtime, runtime.stream_snapshot() as stream:
        assert stream.snapshot_sequence == 0
        assert [thread async for thread in stream] == []
