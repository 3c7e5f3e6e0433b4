"""A session's sender: one command at a time, sent again while the store refuses it, dropped when it is void."""

from __future__ import annotations

import logging

import anyio
import attrs
import pytest

from orchestrion.contracts.commands import InternalCommand
from orchestrion.contracts.errors import CommandIdReused, RuntimeStopped, StoreError, StoreFull
from orchestrion.contracts.events import EventMetadata, ThreadActivityAppended
from orchestrion.contracts.ids import CommandId, ProviderSessionId, runtime_id
from orchestrion.domain.session_commands import IngestedCommand
from orchestrion.testing.given import given
from tests.support.builders import (
    activity,
    activity_append,
    assistant_complete,
    assistant_delta,
    project_create,
    session_set,
    thread_create,
    thread_delete,
)
from tests.support.scripted_agent import ModelDispatcher

pytestmark = pytest.mark.anyio


@pytest.fixture
def dispatcher() -> ModelDispatcher:
    return ModelDispatcher(given(project_create(), thread_create(), session_set("starting")).host)


def _of(command: InternalCommand, session: str | None = "s1") -> IngestedCommand:
    """`command` under an internal id, as sent by a session or, with None, by another actor."""
    own = attrs.evolve(command, command_id=CommandId(runtime_id(session or "actor", command.command_id)))
    sender = None if session is None else ProviderSessionId(session)
    return IngestedCommand(command=own, metadata=EventMetadata(provider_session_id=sender))


async def test_a_command_is_answered(dispatcher: ModelDispatcher) -> None:
    result = await dispatcher.sender().send(_of(assistant_delta()))
    assert result is not None
    assert result.sequence == dispatcher.host.head


async def test_a_command_of_a_replaced_session_is_void(dispatcher: ModelDispatcher) -> None:
    head = dispatcher.host.head
    assert await dispatcher.sender().send(_of(assistant_delta(), "s0")) is None
    assert dispatcher.host.head == head
    assert dispatcher.errors.read() == ()


async def test_a_command_for_a_deleted_thread_is_void_without_an_error(dispatcher: ModelDispatcher) -> None:
    dispatcher.host.dispatch(thread_delete())
    assert await dispatcher.sender().send(_of(assistant_delta())) is None
    assert dispatcher.errors.read() == ()


@pytest.mark.lesson("L46")
async def test_a_report_that_is_refused_otherwise_is_an_error_in_health_and_log(
    dispatcher: ModelDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    sender = dispatcher.sender()
    assert await sender.send(_of(assistant_complete(command_id="c1"))) is not None
    with caplog.at_level(logging.ERROR):
        for number in range(5):
            late = attrs.evolve(assistant_delta(), command_id=CommandId(f"late-{number}"))
            assert await sender.send(_of(late)) is None
    (error,) = dispatcher.errors.read()
    assert (error.actor, error.times) == ("session of t1", 5)
    assert "is complete" in error.error
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [getattr(record, "thread_id", None) for record in logged] == ["t1"] * 3  # the first, second and fourth


@pytest.mark.lesson("L46")
@pytest.mark.parametrize(("session", "times"), [("s1", 1), (None, 0)])
async def test_taken_id_is_an_error_unless_the_fact_is_recorded(
    dispatcher: ModelDispatcher, session: str | None, times: int
) -> None:
    dispatcher.fault = CommandIdReused(CommandId("~s1/1"))
    assert await dispatcher.sender().send(_of(assistant_delta(), session)) is None
    assert [error.times for error in dispatcher.errors.read()] == [1] * times


async def test_command_that_the_store_refuses_is_sent_until_accepted(dispatcher: ModelDispatcher) -> None:
    dispatcher.fault = StoreFull("the disk is full")
    command = assistant_delta(delta="kept")
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.sender(storage_deadline=10).send, _of(command))
            await dispatcher.attempted.wait()
            dispatcher.fault = None
    assert [getattr(envelope.command, "delta", None) for envelope in dispatcher.envelopes] == ["kept"]


async def test_command_refused_until_the_deadline_is_an_error(dispatcher: ModelDispatcher) -> None:
    dispatcher.fault = StoreFull("the disk is full")
    with pytest.raises(StoreError):
        await dispatcher.sender(storage_deadline=0).send(_of(assistant_delta()))


async def test_a_runtime_that_stops_is_not_asked_again(dispatcher: ModelDispatcher) -> None:
    dispatcher.fault = RuntimeStopped("stopping")
    with pytest.raises(RuntimeStopped):
        await dispatcher.sender(storage_deadline=10).send(_of(assistant_delta()))


async def test_an_activity_whose_detail_cannot_be_recorded_is_sent_without_it(dispatcher: ModelDispatcher) -> None:
    huge = {"requestId": "~s1/r1", "requestKind": "command", "list": [{"n": number} for number in range(30_000)]}
    asked = activity_append(activity(kind="approval.requested", tone="approval", payload=huge))
    assert await dispatcher.sender().send(_of(asked)) is not None
    appended = dispatcher.host.log[-1].payload
    assert isinstance(appended, ThreadActivityAppended)
    payload = appended.activity.payload
    assert (payload["requestId"], payload["requestKind"]) == ("~s1/r1", "command")
    assert "does not fit" in str(payload["leftOut"])
    assert [fact.pending for fact in dispatcher.host.threads[asked.thread_id].approvals.values()] == [True]


async def test_malformed_command_is_dropped_and_the_sender_continues(dispatcher: ModelDispatcher) -> None:
    assert await dispatcher.sender().send(_of(assistant_delta(delta="\ud800"))) is None
