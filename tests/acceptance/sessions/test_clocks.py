"""Clocks of a session: a silent turn ends, an idle agent is retired and resumed, a running agent reports that it is
seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import peewee
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Capabilities, ProcessIdentity
from orchestrion.actors.providers.jsonrpc.peer import JsonRpcPeer, PendingReply
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.actors.sessions import kept_agent, starter
from orchestrion.actors.sessions.worker import ThreadWorker
from orchestrion.persistence.database import Durability
from orchestrion.persistence.single_write import write_alone
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import approval_respond
from tests.support.inside_provider import InsideProvider
from tests.support.stage import activity, request_of, session, session_of, stage

pytestmark = pytest.mark.anyio

Statement = Callable[[peewee.SqliteDatabase], None]


async def test_a_turn_that_is_silent_for_too_long_ends_with_an_error(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(inactivity_deadline=0.3)) as it:
        failed = await it.ended(await it.ask("hang"))
        assert session_of(failed).last_error == "the agent sent nothing for 0.3 seconds"
        assert await it.turn_statuses() == ["error"]
        assert activity("runtime.error")(await it.until(activity("runtime.error")))

        following = await it.ask("recall")
        assert session_of(await it.ended(following)).status == "ready"
        assert "I remember 1 turns: hang" in await it.text_of(following)


async def test_silence_is_not_counted_while_an_approval_is_open(tmp_path: Path) -> None:
    deadline = 0.3
    async with stage(tmp_path, limits=SessionLimits(inactivity_deadline=deadline)) as it:
        patient = await it.ask("ask may I")
        asked = await it.until(activity("approval.requested"))
        await it.open_thread("t2")
        await it.ended(await it.ask("hang", thread_id="t2"))  # another thread's deadline passes meanwhile
        await it.send(approval_respond(request_id=request_of(asked)))
        assert session_of(await it.ended(patient)).status == "ready"


async def test_an_idle_agent_retires_and_comes_back_with_its_conversation(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(idle_timeout=0.0)) as it:
        ended = await it.perform("say remember me")
        retired = session_of(await it.until(session("stopped"), after=ended.sequence))
        assert retired.provider_session_id == session_of(ended).provider_session_id
        turn = await it.ask("recall")
        back = session_of(await it.ended(turn))

        assert "I remember 1 turns: say remember me" in await it.text_of(turn)
        assert back.provider_session_id != retired.provider_session_id
        assert back.provider_thread_id == retired.provider_thread_id
        assert await it.turn_statuses() == ["completed", "completed"]


async def test_idle_clock_keeps_a_session_with_a_queued_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(idle_timeout=0.0)) as it:
        first = await it.ask("wait-for go\nsay one")
        await it.claimed(first)
        second = await it.ask("say two")
        await it.let_go("go")
        one, two = session_of(await it.ended(first)), session_of(await it.ended(second))
        assert one.provider_session_id == two.provider_session_id


async def test_the_idle_clock_leaves_alone_an_agent_whose_command_still_runs(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(idle_timeout=0.1)) as it:
        busy = session_of(await it.perform("background until [ -e done ]; do sleep 0.01; done"))
        await it.open_thread("t2")
        idle = await it.perform("say idle", thread_id="t2")
        await it.until(lambda event: event.stream_id == "t2" and session("stopped")(event), after=idle.sequence)
        assert session_of(await it.perform("say still here")).provider_session_id == busy.provider_session_id

        await it.let_go("done")
        await it.until(lambda event: event.stream_id == "t1" and session("stopped")(event))


async def test_idle_clock_keeps_a_session_with_a_new_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, go = threading.Event(), threading.Event()

    def no_commands(agent: ProcessIdentity) -> list[int]:
        looks.set()
        go.wait()
        return []

    def wake_and_say_so(worker: ThreadWorker) -> None:
        wake(worker)
        if looks.is_set():
            woken.set()

    woken, wake = anyio.Event(), ThreadWorker.wake
    monkeypatch.setattr(ThreadWorker, "wake", wake_and_say_so)
    monkeypatch.setattr(kept_agent, "commands_of", no_commands)
    async with stage(tmp_path, limits=SessionLimits(idle_timeout=0.0)) as it:
        first = session_of(await it.perform("say one"))
        await anyio.to_thread.run_sync(looks.wait)
        turn = await it.ask("say two")
        await woken.wait()
        go.set()
        assert session_of(await it.ended(turn)).provider_session_id == first.provider_session_id


async def test_a_session_that_let_go_is_no_longer_listed(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(idle_timeout=0.0)) as it:
        ended = await it.perform("say hello")
        await it.until(session("stopped"), after=ended.sequence)
        while it.runtime.health().sessions:
            await anyio.lowlevel.checkpoint()


async def test_a_live_session_writes_its_heartbeat(tmp_path: Path) -> None:
    async with stage(tmp_path, limits=SessionLimits(heartbeat_interval=0.02)) as it:
        turn = await it.ask("wait-for go")
        await it.claimed(turn)
        (first,) = await it.runtime_rows()
        while (later := (await it.runtime_rows())[0]).last_seen_at == first.last_seen_at:
            await anyio.lowlevel.checkpoint()
        await it.let_go("go")
        await it.ended(turn)

        assert (first.status, later.status) == ("running", "running")
        assert later.resume_cursor_json == first.resume_cursor_json is not None


@pytest.mark.lesson("L38")
async def test_agent_with_signs_of_life_but_no_events_is_not_silent(tmp_path: Path) -> None:
    provider = InsideProvider(answer=lambda turn: None)
    provider.stirring.add("t1")
    async with stage(tmp_path, providers=[provider], limits=SessionLimits(inactivity_deadline=0.2)) as it:
        stirring = await it.ask("think")
        await it.claimed(stirring)
        await it.open_thread("t2")
        assert session_of(await it.perform("hang", thread_id="t2")).status == "error"
        assert await it.turn_statuses() == ["running"]

        provider.stirring.clear()
        assert session_of(await it.ended(stirring)).last_error == "the agent sent nothing for 0.2 seconds"
        why = (await it.thread()).last_failure
        assert why is not None
        assert why.reason == "unresponsive"


@pytest.mark.lesson("L34")
async def test_the_idle_clock_leaves_alone_an_agent_that_cannot_resume(tmp_path: Path) -> None:
    forgetful = InsideProvider("forgetful", capabilities=Capabilities(resume=False))
    other = InsideProvider("other")
    options = RuntimeOptions(
        sessions=SessionLimits(idle_timeout=0.0),
        choose_provider=lambda _, thread: "forgetful" if thread.id == "t1" else "other",
    )
    async with stage(tmp_path, providers=[forgetful, other], options=options) as it:
        first = session_of(await it.perform("one"))
        await it.open_thread("t2")
        retired = await it.perform("one", thread_id="t2")
        await it.until(lambda event: event.stream_id == "t2" and session("stopped")(event), after=retired.sequence)
        assert session_of(await it.perform("two")).provider_session_id == first.provider_session_id


async def test_heartbeat_is_no_durable_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durabilities: list[str] = []

    def noted(database: peewee.SqliteDatabase, statement: Statement, *, durability: Durability) -> None:
        durabilities.append(durability)
        write_alone(database, statement, durability=durability)

    monkeypatch.setattr(starter, "write_alone", noted)
    async with stage(tmp_path, limits=SessionLimits(heartbeat_interval=0.02)) as it:
        turn = await it.ask("wait-for go")
        await it.claimed(turn)
        before = len(durabilities)
        (first,) = await it.runtime_rows()
        while (await it.runtime_rows())[0].last_seen_at == first.last_seen_at:
            await anyio.lowlevel.checkpoint()
        assert set(durabilities[before:]) == {"normal"}
        await it.let_go("go")
        await it.ended(turn)


@pytest.mark.lesson("L81")
async def test_blocked_host_does_not_fail_the_start_of_an_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = AcpProvider(rehearsal_command(state=tmp_path / "state"), start_deadline_seconds=2.0)
    write = JsonRpcPeer.send_request

    async def write_and_block(peer: JsonRpcPeer, method: str, params: Any, **options: Any) -> PendingReply:
        pending = await write(peer, method, params, **options)
        if method == "initialize":
            _block(2.5)
        return pending

    monkeypatch.setattr(JsonRpcPeer, "send_request", write_and_block)
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("say well")).status == "ready"


def _block(seconds: float) -> None:
    """Blocks the event loop, which a host must not do."""
    time.sleep(seconds)
