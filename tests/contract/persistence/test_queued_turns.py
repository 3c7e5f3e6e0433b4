"""The queue of a thread in a snapshot: its waiting turns in the order in which they will run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee
import pytest

from orchestrion import EPOCH, MessageId, PersistedEvent, QueuedTurnView, ThreadId, TurnId, open_runtime, to_json
from orchestrion.contracts.commands import Command
from orchestrion.contracts.event_codec import encode_event, event_json
from orchestrion.domain.evolve import evolve_thread
from orchestrion.domain.state import ThreadState
from orchestrion.persistence.database import prepare, write_transaction
from orchestrion.persistence.event_store import append_events
from orchestrion.persistence.queued_turns import read_queued_turns
from orchestrion.testing.model_host import ModelHost
from tests.support import builders as make
from tests.support.client_model import ClientModel
from tests.support.core import write_log
from tests.support.random_commands import random_log

T1 = ThreadId("t1")


@pytest.fixture
def host() -> ModelHost:
    """The first turn of a thread runs; the turns of m2 and m3 wait."""
    host = ModelHost()
    for command in (make.project_create(), make.thread_create(), make.turn_start(message_id="m1")):
        accepted(host, command)
    accepted(host, make.session_set("running", active_turn_id="turn-1"))
    for message_id in ("m2", "m3"):
        accepted(host, make.turn_start(message_id=message_id))
    return host


def accepted(host: ModelHost, command: Command, **beside: Any) -> list[PersistedEvent]:
    events = host.dispatch(command, **beside)
    assert isinstance(events, list), events
    return events


@contextmanager
def written(path: Path, log: list[PersistedEvent]) -> Iterator[peewee.SqliteDatabase]:
    database = prepare(path, EPOCH)
    try:
        with write_transaction(database, durability="full"):
            append_events(database, [encode_event(event) for event in log])
        yield database
    finally:
        database.close()


def queue_of(path: Path, host: ModelHost) -> tuple[QueuedTurnView, ...]:
    with written(path, host.log) as database:
        return read_queued_turns(database, None, up_to=len(host.log)).get(T1, ())


def messages_of(queue: tuple[QueuedTurnView, ...]) -> list[str]:
    return [turn.message_id for turn in queue]


@pytest.mark.spec("E76")
def test_a_waiting_turn_names_its_message_and_its_request(tmp_path: Path, host: ModelHost) -> None:
    request = accepted(host, make.turn_start(message_id="m4", created_at=make.at(7)))[-1]
    assert queue_of(tmp_path / "state.db", host)[-1] == QueuedTurnView(
        turn_id=TurnId("turn-4"), message_id=MessageId("m4"), requested_at=make.at(7), event_id=request.event_id
    )


@pytest.mark.spec("E76")
def test_queue_has_the_order_of_the_last_update(tmp_path: Path, host: ModelHost) -> None:
    accepted(host, make.queue_update(turn_ids=["turn-2", "turn-3"]))
    accepted(host, make.queue_update(turn_ids=["turn-3"]))
    accepted(host, make.turn_start(message_id="m4"))
    assert messages_of(queue_of(tmp_path / "state.db", host)) == ["m3", "m2", "m4"]


@pytest.mark.spec("E76")
def test_steered_turns_are_before_those_that_waited(tmp_path: Path, host: ModelHost) -> None:
    for message_id in ("s1", "s2"):
        request = accepted(host, make.turn_steer(message_id=message_id))[-1]
        accepted(host, make.steer_queue(), caused_by=request.event_id)
    assert messages_of(queue_of(tmp_path / "state.db", host)) == ["s1", "s2", "m2", "m3"]


@pytest.mark.spec("E76")
def test_a_turn_leaves_the_queue_when_it_is_cancelled_or_begins(tmp_path: Path, host: ModelHost) -> None:
    second = queue_of(tmp_path / "before.db", host)[0]
    accepted(host, make.turn_interrupt(turn_id="turn-2"))
    assert messages_of(queue_of(tmp_path / "asked.db", host)) == ["m2", "m3"]
    accepted(host, make.activity_append(make.activity("a1", kind="turn.cancelled")), caused_by=second.event_id)
    assert messages_of(queue_of(tmp_path / "cancelled.db", host)) == ["m3"]
    accepted(host, make.session_set("ready"))
    accepted(host, make.session_set("running", active_turn_id="turn-3"))
    assert queue_of(tmp_path / "begun.db", host) == ()


@pytest.mark.spec("E76")
def test_queue_is_that_of_the_fold_after_every_event(tmp_path: Path) -> None:
    log = random_log(31, 900)
    states: dict[str, ThreadState | None] = {}
    several = 0
    with written(tmp_path / "state.db", log) as database:
        for event in log:
            states[event.stream_id] = evolve_thread(states.get(event.stream_id), event)
            found = read_queued_turns(database, None, up_to=event.sequence)
            for name, state in states.items():
                if state is not None and not state.deleted:
                    assert tuple(turn.turn_id for turn in found.get(name, ())) == state.queue
                    several += len(state.queue) > 1
            alone = read_queued_turns(database, ThreadId(event.stream_id), up_to=event.sequence)
            assert alone.get(event.stream_id) == found.get(event.stream_id)
    assert several


@pytest.mark.anyio
@pytest.mark.spec("E76", "R10")
async def test_later_events_keep_a_clients_queue_equal_to_a_later_snapshot(tmp_path: Path, host: ModelHost) -> None:
    """The client begins with a snapshot in which turns wait; the events that asked for them came before."""
    await write_log(tmp_path / "early.db", host.log)
    async with open_runtime(tmp_path / "early.db") as runtime:
        client = ClientModel(to_json(await runtime.get_snapshot()))
    second, third = client.snapshot()["threads"][0]["queue"]
    begun = len(host.log)
    accepted(host, make.turn_start(message_id="m4"))
    accepted(host, make.queue_update(turn_ids=["turn-4", "turn-3"]))
    accepted(host, make.activity_append(make.activity("a1", kind="turn.cancelled")), caused_by=second["eventId"])
    for event in host.log[begun:]:
        client.apply(event_json(event))
    await write_log(tmp_path / "later.db", host.log)
    async with open_runtime(tmp_path / "later.db") as runtime:
        full = to_json(await runtime.get_snapshot())
        summary = to_json(await runtime.get_snapshot(detail="summary"))
    assert client.snapshot() == full
    assert [one["messageId"] for one in full["threads"][0]["queue"]] == ["m4", "m3"]
    assert full["threads"][0]["queue"][-1] == third
    assert summary["threads"][0]["queue"] == full["threads"][0]["queue"]


@pytest.mark.anyio
@pytest.mark.spec("E76")
async def test_a_deleted_thread_has_no_queue(tmp_path: Path, host: ModelHost) -> None:
    accepted(host, make.session_set("stopped"))
    accepted(host, make.thread_delete())
    await write_log(tmp_path / "state.db", host.log)
    async with open_runtime(tmp_path / "state.db") as runtime:
        (thread,) = (await runtime.get_snapshot()).threads
    assert thread.deleted_at is not None
    assert thread.queue == ()
