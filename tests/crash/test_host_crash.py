"""A host with working sessions is killed by SIGKILL, and the next host recovers."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.contracts.commands import ClientCommand
from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadSessionSetEvent,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from orchestrion.contracts.ids import TurnId
from orchestrion.contracts.values import Unset
from orchestrion.persistence.crash_points import CrashPoint
from orchestrion.testing.conformance.reading import all_have_ended
from tests.support.builders import (
    approval_respond,
    project_create,
    session_stop,
    thread_create,
    turn_interrupt,
    turn_start,
    turn_steer,
)
from tests.support.session_host import session_host
from tests.support.stage import Asked, Stage, activity, payload, rehearsal, session_of, stage

pytestmark = pytest.mark.anyio

SIGKILLED = -9


@pytest.fixture
def anyio_backend() -> str:
    """The killed host runs on trio, the recovering one on asyncio: each test covers both with one process less."""
    return "asyncio"


def _thread(directory: Path) -> tuple[ClientCommand, ...]:
    return project_create(workspace_root=str(directory / "workspace")), thread_create()


def _agents_memory(directory: Path) -> list[str]:
    """All prompts that agents ever received, from the files they wrote."""
    files = sorted((directory / "rehearsal-state").glob("*.jsonl"))
    entries = [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]
    return [entry["prompt"] for entry in entries if "prompt" in entry]


async def _first(it: Stage, kind: type[object]) -> PersistedEvent:
    return await it.until(payload(kind))


async def _asked(it: Stage) -> list[Asked]:
    return [
        Asked(event.payload.turn_id, event.event_id, event.sequence, str(event.command_id))
        for event in await it.log()
        if isinstance(event.payload, ThreadTurnStartRequested)
    ]


def _agent(payload_json: str | None) -> ProcessIdentity:
    facts = orjson.loads(payload_json or "{}")
    return ProcessIdentity(pid=facts["pid"], started_at=facts["startedAt"])


@pytest.mark.lesson("L2")
@pytest.mark.lesson("L3")
async def test_l02_l03_a_killed_hosts_turn_ends_and_the_queued_turn_runs(
    tmp_path: Path,
) -> None:
    async with session_host(tmp_path) as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="ignore-eof\nsay working\nask may I"))
        await host.activity("approval.requested")
        await host.send(turn_start(message_id="m2", text="recall"))
        await host.until("thread.turn-start-requested")
        await host.kill()

    async with stage(tmp_path) as it:
        running, queued = await _asked(it)
        settled = session_of(await it.ended(running))
        assert settled.status == "stopped"
        assert settled.provider_session_id is not None
        assert session_of(await it.ended(queued)).status == "ready"
        assert "I remember 1 turns: ignore-eof / say working / ask may I" in await it.text_of(queued)

        thread = await it.thread()
        assert [turn.status for turn in thread.turns] == ["interrupted", "completed"]
        assert thread.pending_approvals == ()
        assert not isinstance(thread.messages, Unset)
        assert not any(message.streaming for message in thread.messages)
        assert thread.turns[1].user_message_id == "m2"
        noted = await it.until(activity("turn.interrupted"))
        assert noted.actor_kind == "server"

        dead, live = await it.runtime_rows()
        assert (dead.status, live.status) == ("stopped", "running")
        assert dead.resume_cursor_json == live.resume_cursor_json is not None
        assert await all_have_ended(_agent(dead.runtime_payload_json))
        assert not await all_have_ended(_agent(live.runtime_payload_json))


BEFORE_THE_CLAIM: list[CrashPoint] = [
    "session.recorded",
    "session.bound",
    "session.connected",
    "turn.baseline-captured",
]


@pytest.mark.lesson("L1")
@pytest.mark.parametrize("point", BEFORE_THE_CLAIM)
async def test_l01_an_unclaimed_turn_runs_once_after_the_restart(tmp_path: Path, point: CrashPoint) -> None:
    async with session_host(tmp_path, crash_at=point) as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say hello"))
        assert await host.died() == SIGKILLED

    async with stage(tmp_path) as it:
        (turn,) = await _asked(it)
        assert session_of(await it.ended(turn)).status == "ready"
        thread = await it.thread()
        assert [(one.turn_id, one.status, one.user_message_id) for one in thread.turns] == [
            (turn.turn_id, "completed", "m1")
        ]
    assert _agents_memory(tmp_path) == ["say hello"]


@pytest.mark.lesson("L1")
async def test_l01_committed_turn_without_a_reader_runs_once_after_restart(tmp_path: Path) -> None:
    async with session_host(tmp_path, crash_at="dispatch.committed") as host:
        await host.send(*_thread(tmp_path))
        assert await host.died() == SIGKILLED
    async with stage(tmp_path, providers=[]) as it:
        await it.runtime.dispatch(thread_create())
        turn = await it.ask("say hello")

    async with stage(tmp_path) as it:
        assert session_of(await it.ended(turn)).status == "ready"
    assert _agents_memory(tmp_path) == ["say hello"]


@pytest.mark.parametrize("point", ["turn.claimed", "turn.handed-over"])
async def test_a_turn_that_was_claimed_is_never_handed_over_twice(tmp_path: Path, point: CrashPoint) -> None:
    async with session_host(tmp_path, crash_at=point) as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say hello"))
        assert await host.died() == SIGKILLED

    async with stage(tmp_path) as it:
        (turn,) = await _asked(it)
        assert session_of(await it.ended(turn)).status == "stopped"
        assert await it.turn_statuses() == ["interrupted"]
        assert session_of(await it.perform("say next")).status == "ready"
        assert await it.turn_statuses() == ["interrupted", "completed"]
    assert _agents_memory(tmp_path).count("say hello") <= (0 if point == "turn.claimed" else 1)


async def test_an_interrupt_that_a_crash_left_open_is_closed_as_not_delivered(tmp_path: Path) -> None:
    async with session_host(tmp_path, crash_at="interrupt.sent") as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say working\nhang"))
        await host.until("thread.session-set", status="running")
        await host.send(turn_interrupt())
        assert await host.died() == SIGKILLED

    async with stage(tmp_path) as it:
        interrupt = await _first(it, ThreadTurnInterruptRequested)
        closed = await it.outcome(interrupt.event_id)
        assert activity("interrupt.undelivered")(closed)
        assert closed.correlation_id == interrupt.command_id
        assert await it.turn_statuses() == ["interrupted"]


@pytest.fixture
def steerable(tmp_path: Path) -> AcpProvider:
    """Made outside of any event loop, since the host unpickles it on trio."""
    return rehearsal(tmp_path, steering=True)


@pytest.mark.spec("E74")
async def test_steering_message_that_a_crash_left_open_counts_as_taken(tmp_path: Path, steerable: AcpProvider) -> None:
    async with session_host(tmp_path, provider=steerable, crash_at="steer.delivered") as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say working\nwait-for never"))
        await host.until("thread.session-set", status="running")
        await host.send(turn_steer(message_id="m2", text="say more"))
        assert await host.died() == SIGKILLED

    async with stage(tmp_path) as it:
        steering = await _first(it, ThreadTurnSteerRequested)
        settled = await it.outcome(steering.event_id)
        assert activity("turn.steered")(settled)
        assert isinstance(settled.payload, ThreadActivityAppended)
        assert settled.payload.activity.payload["delivery"] == "unknown"
        assert await it.turn_statuses() == ["interrupted"]
        assert [event.causation_event_id for event in await it.log()].count(steering.event_id) == 1


async def test_an_approval_response_left_open_is_closed_as_not_delivered(tmp_path: Path) -> None:
    async with session_host(tmp_path, crash_at="approval.answered") as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="ask may I\nhang"))
        asked = await host.activity("approval.requested")
        await host.send(approval_respond(request_id=asked["payload"]["requestId"]))
        assert await host.died() == SIGKILLED

    async with stage(tmp_path) as it:
        response = await _first(it, ThreadApprovalResponseRequested)
        closed = await it.outcome(response.event_id)
        assert closed.correlation_id == response.command_id
        assert activity("approval.response.undelivered")(closed) or activity("approval.resolved")(closed)
        thread = await it.thread()
        assert (thread.pending_approvals, [turn.status for turn in thread.turns]) == ((), ["interrupted"])


async def test_a_stop_that_a_crash_cut_short_is_repeated(tmp_path: Path) -> None:
    script = "ignore-eof\nignore-term\nsay working\nhang"
    async with session_host(tmp_path) as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text=script))
        await host.until("thread.session-set", status="running")
        await host.until("thread.message-sent")
        await host.send(turn_start(message_id="m2", text="say never"), session_stop())
        await host.until("thread.session-stop-requested")
        await host.kill()

    async with stage(tmp_path) as it:
        stop = await _first(it, ThreadSessionStopRequested)
        assert session_of(await it.outcome(stop.event_id)).status == "stopped"
        _, queued = await _asked(it)
        assert activity("turn.cancelled")(await it.outcome(queued.event_id))
        assert await it.turn_statuses() == ["interrupted"]
        (row,) = await it.runtime_rows()
        assert await all_have_ended(_agent(row.runtime_payload_json))


@pytest.mark.lesson("L2")
async def test_l02_recovery_of_a_settled_log_settles_nothing_again(tmp_path: Path) -> None:
    async with session_host(tmp_path) as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say working\nhang"))
        await host.until("thread.session-set", status="running")
        await host.kill()
    async with stage(tmp_path) as it:
        assert await it.turn_statuses() == ["interrupted"]
    async with stage(tmp_path, providers=[]) as it:
        head = it.runtime.health().head
    for _ in range(2):
        async with stage(tmp_path) as it:
            assert it.runtime.health().head == head


async def test_a_message_is_linked_to_its_turn_after_a_restart(tmp_path: Path) -> None:
    async with session_host(tmp_path, crash_at="session.recorded") as host:
        await host.send(*_thread(tmp_path), turn_start(message_id="m1", text="say hello"))
        assert await host.died() == SIGKILLED
    async with stage(tmp_path) as it:
        (turn,) = await _asked(it)
        opened = await it.claimed(turn)
        assert isinstance(opened.payload, ThreadSessionSetEvent)
        assert not isinstance(opened.payload.turn, Unset)
        assert opened.payload.turn.user_message_id == "m1"
        assert session_of(opened).active_turn_id == TurnId(turn.turn_id)
        assert opened.correlation_id == turn.command_id
        await it.ended(turn)
