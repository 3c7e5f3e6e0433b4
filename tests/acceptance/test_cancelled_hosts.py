"""A cancelled host, by whatever means: its runtime ends first and leaves nothing, then the host's cancellation goes on.

The checks run as soon as the block is left: the lock is free and no task of the runtime is alive.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrion.contracts.errors import RuntimeStopped
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.contracts.values import EPOCH, Instant
from orchestrion.persistence.ownership import DatabaseLock, read_owner
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.runtime.runtime import Runtime
from orchestrion.testing.processes import processes_of_test
from tests.support.builders import project_create, thread_create, turn_start
from tests.support.hanging_provider import HangingProvider
from tests.support.stage import SAFETY_NET_SECONDS, rehearsal, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L29")]

ROOT: Final = Path(__file__).resolve().parents[2]
ASYNCIO: Final = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class HeldMint(SystemMint):
    """A clock that blocks the thread that opens the database until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def now(self) -> Instant:
        if threading.current_thread().name == "orchestrion-write-lane":
            self.reached.set()
            self.let_go.wait(SAFETY_NET_SECONDS)
        return super().now()


def left_behind(database: Path) -> list[object]:
    """What a runtime left behind: its lock, its owner's file, threads and processes."""
    with DatabaseLock(database, since=EPOCH):
        pass
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("orchestrion")]
    return [*threads, *processes_of_test(), *([read_owner(database)] if read_owner(database) else [])]


async def begin(runtime: Runtime, workspace: Path) -> None:
    await anyio.Path(workspace).mkdir(exist_ok=True)
    await runtime.dispatch(project_create("p1", workspace_root=str(workspace)))
    await runtime.dispatch(thread_create("t1"))
    await runtime.dispatch(turn_start("t1", "m1", text="hello"))


@ASYNCIO
@pytest.mark.parametrize("means", ["task.cancel", "every task"])
@pytest.mark.parametrize("times", [1, 7])
async def test_a_stop_that_is_cancelled_natively_ends(tmp_path: Path, means: str, times: int) -> None:
    provider = HangingProvider(close="hangs")
    leaving = asyncio.Event()

    async def host() -> None:
        options = RuntimeOptions(shutdown_deadline=0.3)
        async with open_runtime(tmp_path / "state.db", providers=[provider], options=options) as runtime:
            await begin(runtime, tmp_path / "workspace")
            await provider.called("start_turn")
            leaving.set()

    before = asyncio.all_tasks()
    task = asyncio.create_task(host())
    await leaving.wait()
    await provider.called("close")
    mine = asyncio.all_tasks() - before
    for _ in range(times):
        for one in mine if means == "every task" else {task}:
            one.cancel()
        await checkpoint()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert left_behind(tmp_path / "state.db") == []


async def test_a_process_that_is_interrupted_three_times_ends(tmp_path: Path) -> None:
    await anyio.to_thread.run_sync(interrupt_three_times, tmp_path)
    async with stage(tmp_path) as it:
        assert await it.turn_statuses() == ["interrupted"]
    assert left_behind(tmp_path / "state.db") == []


def interrupt_three_times(directory: Path) -> None:
    """Run a host until its loop and the loop's clean-up are aborted; it has to end, and its agent with it."""
    command = [sys.executable, "-m", "tests.support.interrupted_host", str(directory)]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as host,
        ExitStack() as last,
    ):
        last.callback(host.kill)
        assert host.stdout is not None
        assert host.stdout.readline() == b"running\n"
        processes = [os.pidfd_open(pid) for pid in processes_of_test()]
        assert len(processes) >= len(("host", "guardian", "agent"))
        host.send_signal(signal.SIGINT)
        output, errors = host.communicate(timeout=SAFETY_NET_SECONDS)
        assert (output, host.returncode) == (b"over\n", 0), errors
        for process in processes:
            assert select.select([process], [], [], SAFETY_NET_SECONDS)[0], "a process outlived the host"
            os.close(process)


@ASYNCIO
@pytest.mark.parametrize("means", ["asyncio.timeout", "wait_for"])
async def test_a_timeout_of_asyncio_is_raised_when_the_runtime_is_gone(tmp_path: Path, means: str) -> None:
    async def host() -> None:
        async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
            await begin(runtime, tmp_path / "workspace")
            await asyncio.sleep(SAFETY_NET_SECONDS)

    async def bounded() -> None:
        if means == "wait_for":
            await asyncio.wait_for(host(), 0.5)
        else:
            async with asyncio.timeout(0.5):
                await host()

    with pytest.raises(TimeoutError):
        await bounded()
    assert left_behind(tmp_path / "state.db") == []


async def test_scope_cancelled_during_a_stop_ends_when_the_runtime_is_gone(tmp_path: Path) -> None:
    provider = HangingProvider(close="hangs")
    async with anyio.create_task_group() as tasks:

        async def host() -> None:
            options = RuntimeOptions(shutdown_deadline=0.3)
            async with open_runtime(tmp_path / "state.db", providers=[provider], options=options) as runtime:
                await begin(runtime, tmp_path / "workspace")
                await provider.called("start_turn")

        tasks.start_soon(host)
        await provider.called("close")
        tasks.cancel_scope.cancel()
    assert left_behind(tmp_path / "state.db") == []


async def test_a_host_that_is_cancelled_while_the_runtime_opens_leaves_nothing(tmp_path: Path) -> None:
    mint = HeldMint()
    async with anyio.create_task_group() as tasks:

        async def host() -> None:
            async with open_runtime(tmp_path / "state.db", options=RuntimeOptions(mint=mint)):
                raise AssertionError("it was cancelled before")

        tasks.start_soon(host)
        await anyio.to_thread.run_sync(mint.reached.wait)
        tasks.cancel_scope.cancel()
        mint.let_go.set()
    assert left_behind(tmp_path / "state.db") == []


@ASYNCIO
async def test_a_native_cancellation_while_the_runtime_opens_leaves_nothing(tmp_path: Path) -> None:
    mint = HeldMint()

    async def host() -> None:
        async with open_runtime(tmp_path / "state.db", options=RuntimeOptions(mint=mint)):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(host())
    await anyio.to_thread.run_sync(mint.reached.wait)
    for _ in range(3):
        task.cancel()
        await checkpoint()
    mint.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_behind(tmp_path / "state.db") == []


async def test_a_runtime_may_be_entered_in_one_task_and_left_in_another(tmp_path: Path) -> None:
    context = open_runtime(tmp_path / "state.db", providers=[HangingProvider()])
    opened: list[Runtime] = []

    async def enter() -> None:
        opened.append(await context.__aenter__())

    async def leave() -> None:
        await context.__aexit__(None, None, None)

    for step in (enter, leave):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(step)
    assert opened[0].health().status == "stopping"
    assert left_behind(tmp_path / "state.db") == []


async def test_two_runtimes_of_one_process_end_apart(tmp_path: Path) -> None:
    async with open_runtime(tmp_path / "one.db", providers=[HangingProvider()]) as one:
        with anyio.CancelScope() as scope:
            async with open_runtime(tmp_path / "two.db", providers=[HangingProvider(connect="hangs")]):
                scope.cancel()
                await checkpoint()
        assert read_owner(tmp_path / "two.db") is None
        await begin(one, tmp_path / "workspace")
    assert left_behind(tmp_path / "one.db") == []


@ASYNCIO
@pytest.mark.parametrize("times", [1, 3])
async def test_a_rebuild_that_is_cancelled_natively_leaves_no_scratch(tmp_path: Path, times: int) -> None:
    async with stage(tmp_path, providers=[]) as it:
        began = asyncio.Event()
        task = asyncio.create_task(it.runtime.rebuild(progress=lambda _: began.set()))
        await began.wait()
        for _ in range(times):
            task.cancel()
            await checkpoint()
        with suppress(asyncio.CancelledError):
            await task
        assert not (tmp_path / "state.db.rebuild").exists()
        await it.runtime.rebuild()


async def test_open_reads_of_a_host_end_with_the_runtime(tmp_path: Path) -> None:
    ends: list[str] = []

    async def follow(runtime: Runtime) -> None:
        async with runtime.subscribe(0) as events:
            async for _ in events:
                pass
        ends.append("subscription")

    async def rebuild(runtime: Runtime) -> None:
        with suppress(RuntimeStopped):
            while True:
                await runtime.rebuild()
        ends.append("rebuild")

    async def read(runtime: Runtime) -> None:
        with suppress(RuntimeStopped):
            while True:
                async with runtime.stream_snapshot() as snapshot:
                    async for _ in snapshot:
                        pass
        ends.append("snapshot")

    with anyio.fail_after(SAFETY_NET_SECONDS):
        async with anyio.create_task_group() as tasks, open_runtime(tmp_path / "state.db") as runtime:
            await begin(runtime, tmp_path / "workspace")
            for work in (follow, rebuild, read):
                tasks.start_soon(work, runtime)
            await runtime.wait_until_projected(runtime.health().head)
    assert sorted(ends) == ["rebuild", "snapshot", "subscription"]
    assert left_behind(tmp_path / "state.db") == []
