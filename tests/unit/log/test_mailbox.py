"""The mailbox: bounded in number and in bytes, in order, without loss."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import TaskGroup

from orchestrion.actors.log.mailbox import Mailbox, MailboxClosed
from orchestrion.contracts.errors import Overloaded

pytestmark = pytest.mark.anyio

ALL = {"items": 100, "size": 1000}


async def _waits(mailbox: Mailbox[str], senders: TaskGroup, *items: str, size: int = 1) -> None:
    """Let one task per item send it, in this order, and assert that each has to wait."""
    for item in items:
        before = mailbox.waiting
        senders.start_soon(mailbox.send, item, size)
        await anyio.wait_all_tasks_blocked()
        assert mailbox.waiting == before + 1


async def test_items_leave_in_order_up_to_either_bound() -> None:
    mailbox: Mailbox[str] = Mailbox(items=10, size=100)
    for item in "abcd":
        await mailbox.send(item, 10)
    assert (mailbox.depth, mailbox.size) == (4, 40)
    assert await mailbox.take(items=2, size=100) == ["a", "b"]
    assert await mailbox.take(items=9, size=19) == ["c"]
    assert await mailbox.take(items=9, size=0) == ["d"], "one is taken whatever its size"
    assert (mailbox.depth, mailbox.size) == (0, 0)


@pytest.mark.parametrize(("items", "size"), [(2, 100), (10, 20)], ids=["in number", "in bytes"])
async def test_a_full_mailbox_refuses_or_waits_as_the_caller_asks(items: int, size: int) -> None:
    mailbox: Mailbox[str] = Mailbox(items=items, size=size)
    mailbox.send_nowait("a", 10)
    mailbox.send_nowait("b", 10)
    with pytest.raises(Overloaded):
        mailbox.send_nowait("c", 10)
    async with anyio.create_task_group() as senders:
        await _waits(mailbox, senders, "c", "d", size=10)
        assert await mailbox.take(items=1, size=100) == ["a"]
        assert (mailbox.depth, mailbox.waiting) == (2, 1)
        assert await mailbox.take(**ALL) == ["b", "c", "d"]
        assert (mailbox.depth, mailbox.size, mailbox.waiting) == (0, 0, 0)


async def test_later_senders_do_not_overtake_waiting_ones() -> None:
    mailbox: Mailbox[str] = Mailbox(items=10, size=10)
    mailbox.send_nowait("large", 8)
    async with anyio.create_task_group() as senders:
        await _waits(mailbox, senders, "larger", size=9)
        with pytest.raises(Overloaded):
            mailbox.send_nowait("small", 1)
        await _waits(mailbox, senders, "small", size=1)
        assert await mailbox.take(**ALL) == ["large", "larger", "small"]


async def test_item_larger_than_the_bound_is_taken_alone() -> None:
    mailbox: Mailbox[str] = Mailbox(items=10, size=10)
    mailbox.send_nowait("huge", 1000)
    async with anyio.create_task_group() as senders:
        await _waits(mailbox, senders, "next", size=1)
        assert await mailbox.take(items=10, size=10) == ["huge"]
        assert await mailbox.take(items=10, size=10) == ["next"]


async def test_a_cancelled_sender_withdraws_its_item_and_makes_way() -> None:
    mailbox: Mailbox[str] = Mailbox(items=10, size=10)
    mailbox.send_nowait("a", 8)
    async with anyio.create_task_group() as senders:
        async with anyio.create_task_group() as cancelled:
            await _waits(mailbox, cancelled, "too large to fit", size=9)
            await _waits(mailbox, senders, "fits", size=2)
            cancelled.cancel_scope.cancel()
        assert (mailbox.depth, mailbox.waiting) == (2, 0)
    assert await mailbox.take(**ALL) == ["a", "fits"]


async def test_receiver_waits_for_the_first_item() -> None:
    mailbox: Mailbox[str] = Mailbox(items=10, size=10)
    taken: list[str] = []

    async def take() -> None:
        taken.extend(await mailbox.take(**ALL))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        mailbox.send_nowait("a", 1)
    assert taken == ["a"]


async def test_closed_mailbox_refuses_senders_and_delivers_its_items() -> None:
    mailbox: Mailbox[str] = Mailbox(items=1, size=10)
    refused: list[str] = []

    async def send(item: str) -> None:
        try:
            await mailbox.send(item, 1)
        except MailboxClosed:
            refused.append(item)

    await send("a")
    async with anyio.create_task_group() as senders:
        senders.start_soon(send, "b")
        await anyio.wait_all_tasks_blocked()
        mailbox.close()
    await send("c")
    assert refused == ["b", "c"]
    assert await mailbox.take(**ALL) == ["a"]
    with pytest.raises(anyio.EndOfStream):
        await mailbox.take(**ALL)


async def test_closing_wakes_a_waiting_receiver() -> None:
    mailbox: Mailbox[str] = Mailbox(items=1, size=1)
    async with anyio.create_task_group() as tasks:

        async def take() -> None:
            with pytest.raises(anyio.EndOfStream):
                await mailbox.take(**ALL)

        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        mailbox.close()
