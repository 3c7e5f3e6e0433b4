"""A host's own providers that hang, raise or report invalid events: their turns settle, all else continues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from orchestrion.actors.providers.adapter import Provider, SessionRequest
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions import approval_answers
from orchestrion.actors.sessions.open_calls import MAX_OPEN_APPROVALS
from orchestrion.actors.sessions.worker import ThreadWorker
from orchestrion.contracts.errors import CommandRejected, InvalidRequest, ProviderProtocolError, SessionLost
from orchestrion.contracts.provider_events import MessageDelta, ToolStarted
from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.ownership import DatabaseLock
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import approval_respond, session_stop, turn_interrupt
from tests.support.hanging_provider import METHODS, Behaviour, HangingProvider, Method
from tests.support.stage import Stage, activity, rehearsal, request_of, session_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L31")]

IN_TURNS = ("connect", "start_turn")


def limits() -> SessionLimits:
    return SessionLimits(start_deadline=0.05, call_deadline=0.05, interrupt_deadline=0.05)


async def reason_of_failure(it: Stage) -> str:
    """The reason in the thread's history why the last turn failed."""
    (*_, failed) = [event for event in await it.log() if activity("turn.failed")(event)]
    payload: Any = failed.payload
    return str(payload.activity.payload["message"])


@pytest.mark.parametrize("method", IN_TURNS)
async def test_a_method_that_hangs_fails_its_turn_with_a_reason(tmp_path: Path, method: Method) -> None:
    does: dict[str, Behaviour] = {method: "hangs"}
    provider = HangingProvider(**does)
    async with stage(tmp_path, providers=[provider], limits=limits()) as it:
        await it.outcome((await it.ask("never")).event_id)
        await it.until(activity("turn.failed"))
        assert " within 0.0" in await reason_of_failure(it)
        assert it.runtime.health().status == "running"


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_raises_leaves_the_thread_able_to_go_on(tmp_path: Path, method: Method) -> None:
    provider = HangingProvider(**{method: ValueError("boom")})
    async with stage(tmp_path, providers=[provider], limits=limits()) as it:
        asked = await it.ask("hello")
        await it.outcome(asked.event_id)
        if method in (*IN_TURNS, "events"):
            await it.until(activity("turn.failed"))
            assert "ValueError: boom" in await reason_of_failure(it)
        provider.does = {}
        assert session_of(await it.perform("again")).status == "ready"
        assert it.runtime.health().status == "running"


class _ClosesOnLeaving(HangingProvider):
    """Closes the connection when its context is left too, as providers often do."""

    @asynccontextmanager
    async def connect(self, request: SessionRequest) -> AsyncIterator[Any]:
        async with super().connect(request) as connection:
            try:
                yield connection
            finally:
                await connection.close()


@pytest.mark.lesson("L193")
async def test_error_of_close_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with stage(tmp_path, providers=[_ClosesOnLeaving(close=ValueError("boom"))]) as it:
        await it.perform("hello")
        await it.outcome((await it.send(session_stop())).event_id)
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "hanging.close failed: ValueError: boom" in record.getMessage()


@pytest.mark.parametrize("behaviour", ["hangs", "is stubborn"])
@pytest.mark.parametrize("method", ["connect", "disconnect", "start_turn", "close"])
async def test_the_runtime_ends_without_a_provider_that_does_not(
    tmp_path: Path, method: Method, behaviour: Behaviour
) -> None:
    provider = HangingProvider(**{method: behaviour})
    options = RuntimeOptions(shutdown_deadline=0.2)
    async with stage(tmp_path, providers=[provider], options=options) as it:
        asked = await it.ask("hello")
        if method in IN_TURNS:
            await provider.called(method)
        else:
            await it.ended(asked)
    provider.release()
    with DatabaseLock(tmp_path / "state.db", since=EPOCH):
        assert method in provider.entered


@pytest.mark.parametrize(
    ("behaviour", "reason", "message"),
    [
        ("hangs", "unresponsive", "respond did not end within 0.0"),
        (ValueError("boom"), "protocol", "respond failed: ValueError: boom"),
        (SessionLost("it left"), "agent_crashed", "it left"),
    ],
    ids=["hangs", "raises", "lost"],
)
async def test_an_answer_that_cannot_be_delivered_fails_its_turn(
    tmp_path: Path, behaviour: Behaviour, reason: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approval_answers, "EXIT_SECONDS", 0.05)
    provider = HangingProvider(respond=behaviour)
    provider.asks = 1
    async with stage(tmp_path, providers=[provider], limits=limits()) as it:
        turn = await it.ask("hello")
        response = await it.send(
            approval_respond(request_id=request_of(await it.until(activity("approval.requested"))))
        )
        assert activity("approval.response.undelivered")(await it.outcome(response.event_id))
        assert session_of(await it.ended(turn)).status == "error"
        failure = (await it.thread()).last_failure
        assert failure is not None
        assert (failure.turn_id, failure.reason) == (turn.turn_id, reason)
        assert message in failure.message
        assert (await it.thread()).pending_approvals == ()
        provider.asks = 0
        assert session_of(await it.perform("again")).status == "ready"


@pytest.mark.lesson("L79")
@pytest.mark.parametrize("behaviour", [None, ProviderProtocolError("not open")], ids=["unconfirmed", "refused"])
async def test_the_silence_clock_runs_once_a_request_waits_for_no_user(
    tmp_path: Path, behaviour: Behaviour | None
) -> None:
    provider = HangingProvider(**({} if behaviour is None else {"respond": behaviour}))
    provider.asks = 1
    async with stage(tmp_path, providers=[provider], limits=SessionLimits(inactivity_deadline=0.2)) as it:
        turn = await it.ask("hello")
        await it.send(approval_respond(request_id=request_of(await it.until(activity("approval.requested")))))
        await it.ended(turn)
        failure = (await it.thread()).last_failure
        assert failure is not None
        assert failure.reason == "unresponsive"
        provider.asks = 0
        assert session_of(await it.perform("again")).status == "ready"


async def test_a_request_closed_as_lost_harms_nothing_where_its_answer_raises(tmp_path: Path) -> None:
    provider = HangingProvider(respond=ValueError("boom"))
    provider.asks = MAX_OPEN_APPROVALS + 1
    async with stage(tmp_path, providers=[provider], limits=limits()) as it:
        turn = await it.ask("hello")
        lost = await it.until(activity("approval.resolved"))
        await provider.called("respond")
        with pytest.raises(CommandRejected):
            await it.send(approval_respond(request_id=request_of(lost)))
        await it.send(turn_interrupt())
        await it.ended(turn)
        assert await it.turn_statuses() == ["interrupted"]


async def test_an_interrupt_ends_a_turn_whose_hand_over_hangs(tmp_path: Path) -> None:
    provider = HangingProvider(start_turn="hangs")
    bounds = SessionLimits(call_deadline=600.0, interrupt_deadline=0.05)
    async with stage(tmp_path, providers=[provider], limits=bounds) as it:
        turn = await it.ask("never")
        await provider.called("start_turn")
        provider.does = {"close": ValueError("boom")}
        await it.send(turn_interrupt())
        await it.ended(turn)
        assert await it.turn_statuses() == ["interrupted"]


@pytest.mark.parametrize(
    ("make_event", "fault"),
    [
        (lambda: "text", "str, which is not an event"),
        (lambda: MessageDelta(item="i", text=5), "MessageDelta.text"),  # type: ignore[arg-type]  # the refused argument
        (lambda: MessageDelta(item="", text="x"), "MessageDelta.item"),  # type: ignore[arg-type]  # likewise
        (lambda: ToolStarted(item="i" * 500, title="t"), "ToolStarted.item"),  # type: ignore[arg-type]  # likewise
    ],
    ids=["no event", "no text", "no id", "long id"],
)
async def test_an_event_that_is_none_ends_the_session_with_a_reason(
    tmp_path: Path, make_event: Callable[[], object], fault: str
) -> None:
    provider = HangingProvider()
    provider.make_event = make_event
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("hello")).status == "error"
        await it.until(activity("turn.failed"))
        assert fault in await reason_of_failure(it)


async def test_an_error_of_the_provider_passes_as_it_is(tmp_path: Path) -> None:
    provider = HangingProvider(start_turn=SessionLost("the agent left"))
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("hello")).last_error == "the agent left"


async def test_a_hanging_provider_delays_no_other_thread(tmp_path: Path) -> None:
    hanging = HangingProvider(connect="hangs")
    providers: list[Provider] = [hanging, rehearsal(tmp_path)]
    chosen = RuntimeOptions(choose_provider=lambda _, thread: "hanging" if thread.id == "t1" else "rehearsal")
    async with stage(tmp_path, providers=providers, options=chosen) as it:
        await it.open_thread("t2")
        await it.ask("never")
        await hanging.called("connect")
        assert session_of(await it.perform("say well", thread_id="t2")).status == "ready"


@pytest.mark.parametrize(
    "answer",
    [ValueError("boom"), asyncio.CancelledError(), GeneratorExit(), None, ["rehearsal"]],
    ids=["raises", "cancelled", "exit of a generator", "nothing", "a list"],
)
async def test_a_choice_that_fails_fails_its_turn_with_a_reason(tmp_path: Path, answer: Any) -> None:
    def choose(*_: object) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    providers = [HangingProvider(), HangingProvider("other")]
    async with stage(tmp_path, providers=providers, options=RuntimeOptions(choose_provider=choose)) as it:
        await it.outcome((await it.ask("never")).event_id)
        await it.until(activity("turn.failed"))
        assert "choose_provider" in await reason_of_failure(it)
        await it.open_thread("t2")
        await it.outcome((await it.ask("never", thread_id="t2")).event_id)
        assert it.runtime.health().status == "running"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("where", ["itself", "a task of it"])
async def test_unrequested_cancellation_fails_only_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    step, raised = ThreadWorker._advance, list[TaskGroup]()

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def cancelled_once(worker: ThreadWorker, tasks: TaskGroup) -> bool:
        if not raised:
            raised.append(tasks)
            if where == "itself":
                await cancelled()
            tasks.start_soon(cancelled)
            await anyio.sleep_forever()
        return await step(worker, tasks)

    monkeypatch.setattr(ThreadWorker, "_advance", cancelled_once)
    async with stage(tmp_path) as it:
        assert session_of(await it.perform("say well")).status == "ready"
        (error,) = it.runtime.health().last_errors
        assert (error.actor, error.times) == ("session of t1", 1)


async def test_a_provider_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        async with open_runtime(tmp_path / "state.db", providers=[HangingProvider("")]):
            pass


async def test_a_progress_listener_that_fails_keeps_nothing_from_opening(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[]) as it:
        await it.runtime.wait_until_projected(it.runtime.health().head)

    def fail(_: object) -> None:
        raise ValueError("boom")

    def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    async with open_runtime(tmp_path / "state.db", options=RuntimeOptions(progress=cancelled)) as runtime:
        assert runtime.health().status == "running"
    options = RuntimeOptions(progress=fail)
    async with open_runtime(tmp_path / "state.db", options=options) as runtime:
        with pytest.raises(ValueError, match="boom"):
            await runtime.rebuild(progress=fail)
        with anyio.fail_after(60):
            await runtime.rebuild()
