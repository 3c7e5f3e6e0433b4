"""The host that the torture kills: `python -m tests.support.torture_host LIFE`, a `Life` as JSON.

It checks that nothing runs without an owner, sends the unanswered commands of earlier lives again, then works until it
is killed; a life that `settles` waits instead until nothing is open, and stops cleanly.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import anyio
import orjson

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.contracts.values import Unset
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.event_store import read_open_intents
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.runtime.runtime import Runtime
from tests.support.torture_client import Attendant, Client, Life, report
from tests.support.torture_load import Load, set_up

OWNED_DEADLINE_SECONDS: Final = 60.0


async def _check_owned(runtime: Runtime) -> None:
    """Report as `stuck` what a dead host left and still runs without an owner at the deadline."""
    unowned: list[str] = []
    with anyio.move_on_after(OWNED_DEADLINE_SECONDS):
        async with runtime.subscribe(runtime.health().head) as events:
            while unowned := await _unowned(runtime):
                await anext(events)
    if unowned:
        report(kind="stuck", what=unowned)


async def _unowned(runtime: Runtime) -> list[str]:
    snapshot = await runtime.get_snapshot(detail="full")
    owners = {session.thread_id: session for session in runtime.health().sessions}
    unowned: list[str] = []
    for thread in snapshot.threads:
        owner = owners.get(thread.id)
        running = {turn.turn_id for turn in thread.turns if turn.status == "running"}
        unowned += [f"turn {turn}" for turn in running - {None if owner is None else owner.running_turn_id}]
        if thread.pending_approvals and (owner is None or owner.open_approvals == 0):
            unowned.append(f"approvals of {thread.id}")
        if owner is None and not isinstance(thread.messages, Unset):
            unowned += [f"message {message.id}" for message in thread.messages if message.streaming]
    return unowned


async def _attend(runtime: Runtime, attendant: Attendant, sequence: int) -> None:
    async with runtime.subscribe(sequence) as events:
        async for event in events:
            await attendant.see(event)


async def _settled(runtime: Runtime, life: Life) -> None:
    """Wait until no intent is open and nothing runs, streams or waits."""
    async with runtime.subscribe(runtime.health().head) as events:
        while True:
            await runtime.wait_until_projected(runtime.health().head)
            left = _unsettled(Path(life.database))
            if not left:
                return
            report(kind="left", what=left)
            await anext(events)


def _unsettled(database: Path) -> list[str]:
    reader = open_reader(database)
    try:
        left = [f"intent {event.sequence}" for event in read_open_intents(reader, after=0)]
        for query in (
            "SELECT turn_id FROM projection_thread_turns WHERE status = 'running'",
            "SELECT message_id FROM projection_thread_messages WHERE is_streaming = 1",
            "SELECT request_id FROM projection_pending_approvals WHERE status = 'pending'",
        ):
            left += [row[0] for row in reader.execute_sql(query).fetchall()]
        return left
    finally:
        reader.close()


async def _live(life: Life) -> None:
    again = (await anyio.Path(life.again).read_bytes()).splitlines()
    provider = AcpProvider(rehearsal_command(state=life.agents), end_grace_seconds=0.3)
    options = RuntimeOptions(sessions=SessionLimits(heartbeat_interval=0.5, interrupt_deadline=2.0))
    async with open_runtime(life.database, providers=[provider], options=options) as runtime:
        report(kind="open", head=runtime.health().head)
        await _check_owned(runtime)
        client = Client(runtime)
        attendant = Attendant(client, life)
        snapshot = await runtime.get_snapshot()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_attend, runtime, attendant, snapshot.snapshot_sequence)
            for thread in snapshot.threads:
                attendant.running[thread.id] = None if thread.session is None else thread.session.active_turn_id
                for approval in thread.pending_approvals:
                    await attendant.answer(thread.id, approval.request_id)
            await client.send_again(again)
            report(kind="confirmed")
            load = Load(client, attendant, life)
            if not life.settles:
                await set_up(client, life)
                await load.run()
                await anyio.sleep_forever()
            await load.complete_texts()
            await _settled(runtime, life)
            tasks.cancel_scope.cancel()
    report(kind="closed")


if __name__ == "__main__":
    given = Life(**orjson.loads(sys.argv[1]))
    anyio.run(_live, given, backend=given.backend)
