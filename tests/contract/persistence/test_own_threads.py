"""Blocking calls on the library's own threads: their number, cancellation and end."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Final

import anyio
import pytest

from orchestrion.persistence.threads import THREADS, in_thread
from tests.support.stage import SAFETY_NET_SECONDS

HOST: Final[ContextVar[str]] = ContextVar("host")


@pytest.mark.lesson("L29")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_threads_of_a_loop_are_daemons_and_end_after_it(backend: str) -> None:
    thread = anyio.run(in_thread, threading.current_thread, backend=backend)
    assert thread.daemon
    thread.join(SAFETY_NET_SECONDS)
    assert not thread.is_alive()


@pytest.mark.lesson("L29")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_that_outlives_its_loop_ends_its_thread(backend: str) -> None:
    go = threading.Event()
    threads: list[threading.Thread] = []

    def call() -> None:
        threads.append(threading.current_thread())
        go.wait(SAFETY_NET_SECONDS)

    async def leave() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: in_thread(call, abandon=True))
            while not threads:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    anyio.run(leave, backend=backend)
    go.set()
    threads[0].join(SAFETY_NET_SECONDS)
    assert not threads[0].is_alive()


@pytest.mark.anyio
async def test_calls_one_after_the_other_share_a_thread() -> None:
    assert len({await in_thread(threading.get_ident) for _ in range(20)}) == 1


@pytest.mark.anyio
async def test_a_further_call_waits_while_every_thread_is_taken() -> None:
    all_there = threading.Barrier(THREADS + 1)
    go = threading.Event()
    further: list[bool] = []

    def call() -> None:
        all_there.wait(SAFETY_NET_SECONDS)
        go.wait(SAFETY_NET_SECONDS)

    async def call_further() -> None:
        further.append(await in_thread(go.is_set))

    async with anyio.create_task_group() as tasks:
        for _ in range(THREADS):
            tasks.start_soon(in_thread, call)
        await anyio.to_thread.run_sync(all_there.wait)
        tasks.start_soon(call_further)
        await anyio.wait_all_tasks_blocked()
        assert further == []
        go.set()
    assert further == [True]


@pytest.mark.anyio
async def test_a_cancelled_caller_waits_for_the_end_of_its_call() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go.wait(SAFETY_NET_SECONDS)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(in_thread, call)
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
        go.set()
    assert ended.is_set()


@pytest.mark.anyio
async def test_a_call_has_its_callers_context_and_raises_its_errors() -> None:
    HOST.set("mine")
    assert await in_thread(HOST.get) == "mine"
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 1, 0)
