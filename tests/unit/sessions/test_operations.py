"""A worker's concurrent operation, whose outcome is posted, withdrawn or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
import attrs
import pytest

from orchestrion.actors.sessions.operations import Operations
from orchestrion.contracts.errors import ProviderError, StoreError
from orchestrion.contracts.events import PersistedEvent, ThreadTurnStartRequested
from orchestrion.contracts.ids import ThreadId
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.effects import CaptureBaseline
from orchestrion.testing.given import given
from tests.support.builders import project_create, thread_create, turn_start

pytestmark = pytest.mark.anyio

Capture = Callable[[], Awaitable[on.Input]]


@attrs.define
class Desk:
    """Operations whose capture the test controls, and what they posted."""

    capture: Capture
    posted: list[on.Input] = attrs.field(factory=list)
    failures: list[Exception] = attrs.field(factory=list)

    @property
    def turn(self) -> on.TurnStartAsked:
        intent = self.intent
        assert isinstance(intent.payload, ThreadTurnStartRequested)
        return on.TurnStartAsked(event_id=intent.event_id, sequence=intent.sequence, turn_id=intent.payload.turn_id)

    @property
    def intent(self) -> PersistedEvent:
        log = given(project_create(), thread_create(), turn_start(message_id="m1")).host.log
        return next(event for event in log if isinstance(event.payload, ThreadTurnStartRequested))

    async def capture_baseline(self, *_: object) -> on.Input:
        return await self.capture()

    def operations(self) -> Operations:
        intent = self.intent
        unused = cast("Any", None)
        return Operations(
            ThreadId("t1"),
            unused,
            agent=unused,
            turns=cast("Any", self),
            intents=cast("Any", {intent.event_id: intent}),
            read_context=unused,
            post=self.posted.append,
            failed=self.failures.append,
        )


async def captured() -> on.Input:
    return on.BaselineCaptured()


async def never() -> on.Input:
    await anyio.sleep_forever()
    raise AssertionError("it has no end")


async def captured_all_the_same() -> on.Input:
    with anyio.CancelScope(shield=True):
        await anyio.lowlevel.checkpoint()
    return on.BaselineCaptured()


async def fails() -> on.Input:
    raise ProviderError("no workspace", reason="workspace")


async def refused() -> on.Input:
    raise StoreError("the disk is full")


@pytest.mark.parametrize(
    ("capture", "is_withdrawn", "posted"),
    [
        (captured, False, on.BaselineCaptured()),
        (never, True, on.Withdrawn()),
        (captured_all_the_same, True, on.BaselineCaptured()),
        (fails, False, on.TurnImpossible(on.Failure(message="no workspace", reason="workspace"))),
    ],
    ids=["done", "withdrawn", "done although withdrawn", "failed"],
)
async def test_operation_posts_one_outcome(capture: Capture, is_withdrawn: bool, posted: on.Input) -> None:
    began = anyio.Event()

    async def begun() -> on.Input:
        began.set()
        return await capture()

    desk = Desk(begun)
    operations = desk.operations()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            operations.begin(CaptureBaseline(desk.turn), tasks)
            await began.wait()
            if is_withdrawn:
                operations.withdraw()
    assert (desk.posted, desk.failures) == ([posted], [])


async def test_store_that_refuses_ends_the_worker_and_posts_nothing() -> None:
    desk = Desk(refused)
    async with anyio.create_task_group() as tasks:
        desk.operations().begin(CaptureBaseline(desk.turn), tasks)
    assert desk.posted == []
    assert [str(error) for error in desk.failures] == ["the disk is full"]


async def test_end_waits_until_nothing_is_under_way() -> None:
    desk = Desk(captured_all_the_same)
    operations = desk.operations()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            await operations.end()
            operations.begin(CaptureBaseline(desk.turn), tasks)
            await anyio.lowlevel.checkpoint()
            await operations.end()
            assert len(desk.posted) == 1
            operations.begin(CaptureBaseline(desk.turn), tasks)
    assert len(desk.posted) == 2
