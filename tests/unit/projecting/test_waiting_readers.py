"""Readers that wait for a projector are woken once, and one that gives up leaves nothing behind."""

from __future__ import annotations

import anyio
import pytest

from orchestrion.actors.projecting.waiting_readers import WaitingReaders

pytestmark = pytest.mark.anyio


async def test_waiting_reader_is_woken_by_its_position_or_by_the_end() -> None:
    readers = WaitingReaders()
    woken: list[int] = []

    async def wait(sequence: int) -> None:
        await readers.wait(sequence)
        woken.append(sequence)

    async with anyio.create_task_group() as tasks:
        for sequence in (3, 5, 9):
            tasks.start_soon(wait, sequence)
        await anyio.wait_all_tasks_blocked()
        readers.wake(5)
        await anyio.wait_all_tasks_blocked()
        assert (sorted(woken), bool(readers)) == ([3, 5], True)
        readers.release()
    assert (sorted(woken), bool(readers)) == ([3, 5, 9], False)


async def test_one_that_is_cancelled_waits_no_more() -> None:
    readers = WaitingReaders()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(readers.wait, 10**9)
        await anyio.wait_all_tasks_blocked()
        assert readers
        tasks.cancel_scope.cancel()
    assert not readers, "its projector would hurry with every commit from now on"
