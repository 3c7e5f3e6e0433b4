"""An adapter that fails affects only its own turn: the turn settles, its thread and the runtime continue."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions.router import REACTOR
from orchestrion.contracts.errors import ProviderProtocolError, SessionLost
from orchestrion.contracts.events import ThreadMessageSent
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.positions import read_positions
from tests.support.builders import approval_respond, turn_interrupt
from tests.support.faulty_provider import FaultyProvider, raising
from tests.support.stage import activity, error_of, payload, rehearsal, request_of, session_of, stage

pytestmark = pytest.mark.anyio


async def test_an_adapter_that_breaks_while_it_starts_fails_the_turn(tmp_path: Path) -> None:
    provider = FaultyProvider(rehearsal(tmp_path), connect=raising(ValueError("no such thing")))
    async with stage(tmp_path, providers=[provider]) as it:
        failed = await it.outcome((await it.ask("say never")).event_id)
        assert activity("turn.start.failed")(failed)
        assert error_of(failed) == "the agent of rehearsal could not be started: ValueError: no such thing"
        assert session_of(await it.perform("say next")).status == "ready"
        assert it.runtime.health().status == "running"


@pytest.mark.parametrize("error", [SessionLost("gone"), TypeError("broken")], ids=["lost", "defect"])
async def test_a_turn_whose_hand_over_fails_is_settled_and_not_handed_over_again(
    tmp_path: Path, error: Exception
) -> None:
    provider = FaultyProvider(rehearsal(tmp_path), start_turn=raising(error))
    async with stage(tmp_path, providers=[provider]) as it:
        turn = await it.ask("say never")
        settled = session_of(await it.ended(turn))
        assert settled.status in ("error", "stopped")
        fresh = session_of(await it.perform("recall"))
        assert fresh.status == "ready"
        assert fresh.provider_session_id != settled.provider_session_id
        assert (await it.turn_statuses())[1:] == ["completed"]
        assert it.runtime.health().status == "running"


@pytest.mark.lesson("L18")
async def test_l18_a_rejected_interrupt_is_visible_and_the_turn_settles(tmp_path: Path) -> None:
    provider = FaultyProvider(rehearsal(tmp_path), interrupt=raising(ProviderProtocolError("not now")))
    async with stage(tmp_path, providers=[provider], limits=SessionLimits(interrupt_deadline=0.05)) as it:
        turn = await it.ask("say working\nhang")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(turn)).sequence)
        interrupt = await it.send(turn_interrupt())
        refused = await it.outcome(interrupt.event_id)
        assert activity("turn.interrupt.failed")(refused)
        assert error_of(refused) == "not now"
        await it.ended(turn)
        assert await it.turn_statuses() == ["interrupted"]


@pytest.mark.lesson("L3")
async def test_l03_a_response_that_the_agent_refuses_is_cancelled(
    tmp_path: Path,
) -> None:
    provider = FaultyProvider(rehearsal(tmp_path), respond=raising(ProviderProtocolError("no such option")))
    async with stage(tmp_path, providers=[provider]) as it:
        turn = await it.ask("ask may I\nhang")
        asked = await it.until(activity("approval.requested"))
        response = await it.send(approval_respond(request_id=request_of(asked)))
        refused = await it.outcome(response.event_id)
        assert activity("approval.response.undelivered")(refused)
        assert error_of(refused) == "no such option"
        assert session_of(await it.ended(turn)).status == "interrupted"


@pytest.mark.lesson("L1")
async def test_l01_routers_position_never_passes_an_open_intent(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        running = await it.ask("hang")
        await it.claimed(running)
        queued = await it.ask("say later")
        await it.perform("say meanwhile", thread_id="t2")
    assert await _position(tmp_path) == queued.sequence - 1

    async with stage(tmp_path) as it:
        await it.ended(queued)
        ended = it.runtime.health().head
    assert await _position(tmp_path) >= ended


async def _position(directory: Path) -> int:
    def read() -> int:
        reader = open_reader(directory / "state.db")
        try:
            return read_positions(reader)[REACTOR].last_applied_sequence
        finally:
            reader.close()

    return await anyio.to_thread.run_sync(read)
