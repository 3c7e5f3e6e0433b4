"""Supervision: what is restarted, how often, and what a failure beyond that affects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from orchestrion.actors.backoff import Backoff
from orchestrion.actors.last_errors import LastErrors
from orchestrion.actors.supervisor import NEVER, OFTEN, ActorFailure, RestartPolicy, Supervisor
from tests.support.builders import at

pytestmark = pytest.mark.anyio

NO_WAIT = Backoff(first_seconds=0.0, longest_seconds=0.0)
AT_ONCE = RestartPolicy(restarts=3, within_seconds=3600.0, backoff=NO_WAIT)


class Observed:
    """A supervisor and its reports."""

    def __init__(self) -> None:
        self.failures: list[ActorFailure] = []
        self.errors = LastErrors(lambda: at(1))
        self.supervisor = Supervisor(self.errors, on_failure=self.failures.append)


@asynccontextmanager
async def observed() -> AsyncIterator[Observed]:
    it = Observed()
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            it.supervisor.run_in(tasks)
            try:
                yield it
            finally:
                it.supervisor.cancel()


def failing(times: int) -> tuple[Callable[[], Awaitable[None]], list[int]]:
    """An actor that fails this often before it ends well, and the numbers of its runs."""
    runs: list[int] = []

    async def run() -> None:
        runs.append(len(runs) + 1)
        if len(runs) <= times:
            raise RuntimeError(f"defect {len(runs)}")

    return run, runs


async def test_an_actor_is_restarted_as_often_as_its_policy_allows() -> None:
    run, runs = failing(3)
    async with observed() as it:
        await it.supervisor.start("worker", run, AT_ONCE).wait()
        assert runs == [1, 2, 3, 4]
        assert (it.supervisor.restarts, it.supervisor.failure, it.failures) == ({"worker": 3}, None, [])
        (last,) = it.errors.read()
        assert (last.actor, last.error, last.times) == ("worker", "defect 3", 3)


@pytest.mark.lesson("L26")
async def test_one_failure_more_is_reported_once_and_the_others_run_on() -> None:
    run, runs = failing(9)
    go_on = anyio.Event()
    async with observed() as it:
        other = it.supervisor.start("other", go_on.wait, NEVER)
        await it.supervisor.start("worker", run, AT_ONCE).wait()
        assert runs == [1, 2, 3, 4]
        (failure,) = it.failures
        assert (failure.actor, str(failure.error)) == ("worker", "defect 4")
        assert it.supervisor.failure == failure
        assert not other.is_set()
        go_on.set()
        await other.wait()


async def test_failures_that_lie_far_enough_apart_are_no_reason_to_give_up() -> None:
    run, runs = failing(9)
    forgiving = RestartPolicy(restarts=1, within_seconds=-1.0, backoff=NO_WAIT)
    async with observed() as it:
        await it.supervisor.start("worker", run, forgiving).wait()
        assert len(runs) == 10
        assert it.failures == []


async def test_an_actor_that_may_never_restart_fails_at_its_first_error() -> None:
    run, runs = failing(1)
    async with observed() as it:
        await it.supervisor.start("dispatcher", run).wait()
        assert (runs, it.supervisor.restarts) == ([1], {})
        assert [str(failure.error) for failure in it.failures] == ["defect 1"]


async def test_the_first_failure_is_the_one_that_stays() -> None:
    async with observed() as it:
        for name in ("first", "second"):
            run, _ = failing(1)
            await it.supervisor.start(name, run).wait()
        assert it.supervisor.failure is not None
        assert it.supervisor.failure.actor == "first"
        assert [failure.actor for failure in it.failures] == ["first", "second"]


async def test_waits_between_restarts_double(monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = failing(OFTEN.restarts)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("orchestrion.actors.supervisor.anyio.sleep", sleep)
    async with observed() as it:
        await it.supervisor.start("worker", run, OFTEN).wait()
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6]


async def test_cancelling_what_surrounds_an_actor_does_not_reach_it() -> None:
    ended: list[str] = []

    async def run() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("actor")

    it = Observed()
    with anyio.fail_after(180), anyio.CancelScope() as around:
        async with anyio.create_task_group() as tasks:
            it.supervisor.run_in(tasks)
            done = it.supervisor.start("worker", run)
            around.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
                assert ended == []
                it.supervisor.cancel()
                await done.wait()
    assert ended == ["actor"]
