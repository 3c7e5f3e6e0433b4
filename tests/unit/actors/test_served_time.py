"""Deadlines of waits in a host that blocks its event loop. `block` is that fault."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrion.actors.checkpoints.git.git import CaptureFailed, Git, deadline
from orchestrion.actors.providers.guarded_events import GuardedEvents
from orchestrion.actors.providers.provider_calls import ProviderCalls, ProviderDefect
from orchestrion.actors.served_time import (
    LATE_SECONDS,
    TICK_SECONDS,
    ServedTime,
    confirmation,
    served_clock,
    served_deadline,
    served_scope,
)
from orchestrion.contracts.provider_events import ProviderRuntimeEvent, SessionExited, SessionStarted

pytestmark = pytest.mark.lesson("L81")

SAFETY_NET_SECONDS = 60.0
DEADLINE = 1.0
BLOCKED = 1.2
"""How long the host blocks its event loop: longer than the deadline."""
PASSES = 20
"""The time on the event loop in which an answer that has arrived is surely read."""


def block(seconds: float) -> None:
    """Block the event loop, which a host must not do."""
    time.sleep(seconds)


async def answered() -> str:
    """An answer that arrived while the host blocked the event loop, read once the loop is served again."""
    await checkpoint()
    block(BLOCKED)
    for _ in range(PASSES):
        await checkpoint()
    return "the answer"


async def blocked_and_then_never() -> None:
    block(0.5)
    await anyio.sleep_forever()


class TestServedTime:
    def test_time_after_a_late_wait_is_not_counted(self) -> None:
        served = ServedTime()
        served.wait_until(10)
        assert served.at(9) == 9
        assert served.at(30) == 10  # still late
        assert served.record_wake(30)
        assert (served.lost, served.at(31)) == (20, 11)

    def test_wait_that_ends_a_little_late_is_counted(self) -> None:
        served = ServedTime()
        served.wait_until(10)
        assert not served.record_wake(10 + LATE_SECONDS / 2)
        assert (served.lost, served.at(11)) == (0, 11)

    def test_wait_that_ends_early_is_counted(self) -> None:
        served = ServedTime()
        served.wait_until(10)
        assert not served.record_wake(4)
        assert not served.record_wake(40)  # no wait was planned
        assert served.lost == 0

    def test_confirmation_is_short(self) -> None:
        assert (confirmation(0.4), confirmation(600)) == (0.1, 1.0)


@pytest.mark.anyio
class TestServedDeadline:
    async def test_blocked_loop_does_not_expire_a_deadline(self) -> None:
        with served_deadline(DEADLINE):
            assert await answered() == "the answer"

    async def test_several_blocks_do_not_expire_a_deadline(self) -> None:
        with served_deadline(DEADLINE):
            for _ in range(3):
                block(DEADLINE / 2)
                await checkpoint()
            for _ in range(PASSES):
                await checkpoint()

    async def test_deadline_expires_once_the_loop_was_served_so_long(self) -> None:
        with anyio.fail_after(SAFETY_NET_SECONDS) as net, pytest.raises(TimeoutError), served_deadline(0.3):
            await blocked_and_then_never()
        assert not net.cancelled_caught

    async def test_deadline_expires_although_every_wait_is_late(self) -> None:
        async def host() -> None:
            for _ in range(100):
                block(0.2)
                await checkpoint()

        with pytest.raises(TimeoutError), served_deadline(0.2):
            await host()

    async def test_deadline_expires_at_once_without_any_time(self) -> None:
        with pytest.raises(TimeoutError), served_deadline(0):
            await checkpoint()

    async def test_body_that_ends_in_time_raises_nothing(self) -> None:
        with served_deadline(SAFETY_NET_SECONDS) as scope:
            await checkpoint()
        assert not scope.has_expired

    async def test_own_timeout_of_the_body_is_passed_on(self) -> None:
        with pytest.raises(TimeoutError, match="my own"), served_deadline(SAFETY_NET_SECONDS):
            raise TimeoutError("my own")

    async def test_shorter_deadline_inside_a_longer_one_expires_first(self) -> None:
        with served_scope(SAFETY_NET_SECONDS) as outer, served_scope(0.02) as inner:
            await anyio.sleep_forever()
        assert (outer.has_expired, inner.has_expired) == (False, True)

    async def test_hard_end_is_no_matter_of_served_time(self) -> None:
        with served_scope(SAFETY_NET_SECONDS) as scope:
            scope.end_by(anyio.current_time() + 0.1)
            block(0.3)
            await anyio.sleep_forever()
        assert not scope.has_expired

    async def test_more_time_puts_the_end_off(self) -> None:
        with served_scope(0.05) as scope:
            scope.allow(SAFETY_NET_SECONDS)
            with served_scope(0.1):
                await anyio.sleep_forever()
        assert not scope.has_expired

    async def test_cancellation_from_outside_is_passed_on(self) -> None:
        with anyio.CancelScope() as outer, served_deadline(SAFETY_NET_SECONDS):
            outer.cancel()
            await checkpoint()
        assert outer.cancelled_caught

    async def test_clock_does_not_advance_while_the_loop_is_blocked(self) -> None:
        with served_scope(SAFETY_NET_SECONDS):
            began, began_at = served_clock().now(), anyio.current_time()
            block(0.5)
            at_once = served_clock().now() - began
            for _ in range(PASSES):
                await checkpoint()
            later = served_clock().now() - began
            assert at_once <= later <= anyio.current_time() - began_at - 0.3


def test_deadline_expires_under_plain_asyncio() -> None:
    """`asyncio.run` sets no variable that tells anyio the loop outside a task, as the runs of these tests do."""

    async def host() -> bool:
        async with asyncio.timeout(SAFETY_NET_SECONDS):
            with served_scope(2 * TICK_SECONDS) as scope:
                await anyio.sleep_forever()
        return scope.has_expired

    assert asyncio.run(host())


async def call_of_a_provider(_: Path) -> None:
    assert await ProviderCalls().call("my.connect", answered, seconds=DEADLINE) == "the answer"


async def capture(directory: Path) -> None:
    program = shutil.which("git")
    assert program is not None
    with deadline("capture", directory, DEADLINE):
        block(BLOCKED)
        await Git(program=program, directory=directory).run("--version")


async def events_of_a_closed_connection(_: Path) -> None:
    send, receive = anyio.create_memory_object_stream[ProviderRuntimeEvent](2)
    events = GuardedEvents("my", receive)
    events.note_closed()
    async with anyio.create_task_group() as tasks:

        async def late() -> None:
            await checkpoint()
            block(BLOCKED + 1.0)  # longer than DRAIN_SECONDS
            for _ in range(PASSES):
                await checkpoint()
            await send.send(SessionStarted(provider_thread_id=None))
            await send.send(SessionExited(asked=True))

        tasks.start_soon(late)
        assert isinstance(await events.receive(), SessionStarted)
        assert isinstance(await events.receive(), SessionExited)
    send.close()
    receive.close()


@pytest.mark.anyio
@pytest.mark.parametrize("waits", [call_of_a_provider, capture, events_of_a_closed_connection])
async def test_blocked_host_fails_nothing_that_others_did_in_time(
    waits: Callable[[Path], Awaitable[None]], tmp_path: Path
) -> None:
    with anyio.CancelScope(shield=True):
        await waits(tmp_path)


@pytest.mark.anyio
async def test_call_and_capture_that_never_end_still_have_deadlines(tmp_path: Path) -> None:
    with pytest.raises(ProviderDefect, match="did not end within"):
        await ProviderCalls().call("my.connect", anyio.sleep_forever, seconds=0.05)
    with pytest.raises(CaptureFailed, match="did not finish within"), deadline("capture", tmp_path, 0.05):
        await anyio.sleep_forever()
