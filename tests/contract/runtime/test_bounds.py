"""Memory is bounded by configuration: by the bytes that wait, not by a burst, the log or a slow reader (G10)."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion.actors.log import dispatcher, event_log
from orchestrion.actors.log.dispatcher import Submission
from orchestrion.actors.log.event_log import EventLog
from orchestrion.contracts.commands import ProjectCreate
from orchestrion.contracts.errors import Overloaded
from orchestrion.contracts.events import LoggedEvent
from orchestrion.contracts.read_model import DispatchResult
from orchestrion.persistence import event_store
from orchestrion.persistence.event_store import EventPage, read_events
from orchestrion.runtime.host import open_runtime
from tests.support import builders as make
from tests.support.core import envelope, open_core

pytestmark = pytest.mark.anyio

LIMIT = 5000
"""In bytes: two of the large commands or events fit, three do not."""


def _large(number: int, *, size: int = 2000) -> ProjectCreate:
    return make.project_create(f"p{number}", title="x" * size)


async def test_a_group_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "GROUP_BYTES", LIMIT)
    async with open_core(tmp_path / "state.db", starts=[]) as core:
        submissions = [await core.dispatcher.submit(envelope(_large(number))) for number in range(5)]
        follower = core.log.follow(0)
        core.start_dispatcher()
        answers = [await submission.result() for submission in submissions]
        assert [answer.sequence for answer in answers] == [1, 2, 3, 4, 5]
        batches = []
        while follower.position < 5:
            batches.append(len(await follower.next_batch(limit=1)))
        assert batches == [2, 2, 1]
        follower.close()


async def test_the_mailbox_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "MAILBOX_BYTES", LIMIT)
    async with open_core(tmp_path / "state.db", starts=[]) as core:
        answers: list[DispatchResult] = []

        async def dispatch(number: int) -> None:
            answers.append(await core.dispatch(_large(number)))

        async with anyio.create_task_group() as callers:
            for number in range(5):
                callers.start_soon(dispatch, number)
                await anyio.wait_all_tasks_blocked()
            assert (core.dispatcher.depth, core.dispatcher.waiting) == (2, 3)
            core.start_dispatcher()
        assert sorted(answer.sequence for answer in answers) == [1, 2, 3, 4, 5]


async def test_a_followers_channel_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BYTES", LIMIT)
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        follower = core.log.follow(0)
        for number in range(5):
            await core.dispatch(_large(number))
        assert 0 < follower.held <= LIMIT
        assert [event.sequence for event in follower.next_batch_nowait()] == [1, 2]
        assert follower.held == 0
        assert [event.sequence for event in await follower.next_batch()] == [3, 4, 5]
        await core.dispatch(_large(5))
        assert [event.sequence for event in follower.next_batch_nowait()] == [6], "there is room again"
        follower.close()


async def test_an_event_larger_than_the_channel_is_published_when_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BYTES", 1)
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        follower = core.log.follow(0)
        await core.dispatch(_large(1))
        assert [event.sequence for event in follower.next_batch_nowait()] == [1]
        follower.close()


async def test_a_page_of_the_log_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_store, "PAGE_BYTES", LIMIT)
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        for number in range(7):
            await core.dispatch(_large(number))
        page = await core.lane.run(lambda database: read_events(database, EventPage(after=0, limit=1000)))
        assert [event.sequence for event in page] == [1, 2, 3]
        core.start_projectors()
        await core.projected()
        assert await core.sql("SELECT count(*) FROM projection_projects") == [(7,)]
        assert [event.sequence for event in await _all_events(core.log)] == [1, 2, 3, 4, 5, 6, 7]


async def _all_events(log: EventLog) -> list[LoggedEvent]:
    follower = log.follow(0)
    events: list[LoggedEvent] = []
    while follower.lag:
        events.extend(await follower.next_batch())
    follower.close()
    return events


async def test_burst_of_a_thousand_tasks_waits_and_none_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "MAILBOX_COMMANDS", 64)
    tasks, each = 1000, 5
    deepest = 0
    sequences: list[int] = []
    async with open_runtime(tmp_path / "state.db") as runtime:
        await runtime.dispatch(make.project_create())

        async def burst(number: int) -> None:
            nonlocal deepest
            for turn in range(each):
                result = await runtime.dispatch(make.thread_create(f"t{number}-{turn}"))
                deepest = max(deepest, runtime.health().mailbox_depth)
                sequences.append(result.sequence)

        async with anyio.create_task_group() as callers:
            for number in range(tasks):
                callers.start_soon(burst, number)
        snapshot = await runtime.get_snapshot(detail="summary")
    assert sorted(sequences) == list(range(2, tasks * each + 2))
    assert len(snapshot.threads) == tasks * each
    assert deepest <= 64


async def test_caller_that_does_not_wait_gets_overloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "MAILBOX_COMMANDS", 2)
    async with open_runtime(tmp_path / "state.db") as runtime:
        taken: list[Submission] = [runtime.submit_nowait(make.project_create(f"p{number}")) for number in range(2)]
        with pytest.raises(Overloaded, match="command 'third' was not taken"):
            runtime.submit_nowait(make.project_create("p3", command_id="third"))
        assert [(await one.result()).sequence for one in taken] == [1, 2]
        assert (await runtime.submit_nowait(make.project_create("p3", command_id="third")).result()).sequence == 3
