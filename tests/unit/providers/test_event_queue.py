"""The bounded stream between an adapter and the session that reads it."""

from __future__ import annotations

import anyio
import pytest

from orchestrion.actors.providers.event_queue import EventQueue
from orchestrion.contracts.ids import ProviderItemId
from orchestrion.contracts.provider_events import MessageDelta, SessionExited, ToolStarted

pytestmark = pytest.mark.anyio

LAST = SessionExited(asked=True)


def delta(number: int) -> MessageDelta:
    return MessageDelta(item=ProviderItemId(f"message-{number}"), text=str(number))


async def test_events_are_read_in_order_up_to_the_last() -> None:
    queue = EventQueue(10)
    await queue.put(delta(1))
    queue.put_nowait(delta(2))
    queue.end(LAST)
    assert [event async for event in queue] == [delta(1), delta(2), LAST]
    with pytest.raises(anyio.EndOfStream):
        await queue.receive()


async def test_a_writer_waits_for_room() -> None:
    queue = EventQueue(2)
    written: list[int] = []

    async def write() -> None:
        for number in range(5):
            await queue.put(delta(number))
            written.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert written == [0, 1]
        assert await queue.receive() == delta(0)
        await anyio.wait_all_tasks_blocked()
        assert written == [0, 1, 2]
        assert [await queue.receive() for _ in range(4)] == [delta(number) for number in range(1, 5)]


async def test_events_of_a_call_do_not_wait_for_space() -> None:
    queue = EventQueue(1)
    for number in range(3):
        queue.put_nowait(delta(number))
    assert [await queue.receive() for _ in range(3)] == [delta(0), delta(1), delta(2)]


async def test_nothing_comes_after_the_end() -> None:
    queue = EventQueue(1)
    queue.end(LAST)
    queue.put_nowait(delta(1))
    await queue.put(delta(2))
    queue.end(SessionExited(asked=False))
    assert [event async for event in queue] == [LAST]


async def test_a_waiting_reader_learns_of_the_end() -> None:
    queue = EventQueue(1)
    read: list[object] = []

    async def read_all() -> None:
        read.extend([event async for event in queue])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_all)
        await anyio.wait_all_tasks_blocked()
        queue.end(LAST)
    assert read == [LAST]


async def test_a_reader_that_closes_lets_writers_go() -> None:
    queue = EventQueue(1)
    await queue.put(delta(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.put, delta(2))
        await anyio.wait_all_tasks_blocked()
        await queue.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await queue.receive()


@pytest.mark.lesson("L43")
async def test_text_that_continues_waiting_text_takes_no_extra_place() -> None:
    queue = EventQueue(2)
    item = ProviderItemId("message-1")
    for _ in range(10_000):
        await queue.put(MessageDelta(item=item, text="ab "))
    queue.end(LAST)
    assert [event async for event in queue] == [MessageDelta(item=item, text="ab " * 10_000), LAST]


@pytest.mark.lesson("L41")
async def test_a_writer_waits_for_bytes() -> None:
    queue = EventQueue(64)
    written: list[int] = []

    async def write() -> None:
        for number in range(5):
            await queue.put(MessageDelta(item=ProviderItemId(f"m-{number}"), text="x" * 600 * 1024))
            written.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert written == [0]
        await queue.receive()
        await anyio.wait_all_tasks_blocked()
        assert written == [0, 1]
        tasks.cancel_scope.cancel()


@pytest.mark.lesson("L41")
async def test_waiting_items_are_bounded_on_entry() -> None:
    queue = EventQueue(64)
    await queue.put(ToolStarted(item=ProviderItemId("t"), title="t" * 10**6, detail={"input": "x" * 10**7}))
    (event,) = [await queue.receive()]
    assert isinstance(event, ToolStarted)
    assert len(event.title) + len(event.detail["input"]) < 64 * 1024
