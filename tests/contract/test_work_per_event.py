"""The cost of an event, counted in SQLite's virtual-machine steps and in loaded rows, never in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import peewee
import pytest

from orchestrion import PersistedEvent
from orchestrion.persistence.database import write_transaction
from orchestrion.persistence.projections import PROJECTIONS, Projection
from tests.support import builders as make
from tests.support.core import Core, open_core

pytestmark = pytest.mark.anyio

MESSAGES_A_TURN = 6
MOST_GROWTH = 1.2


@attrs.define
class Steps:
    """Counts the instructions that SQLite's virtual machine executes on one connection."""

    count: int = 0

    def begin(self, database: peewee.SqliteDatabase) -> None:
        self.count = 0
        database.connection().set_progress_handler(self._step, 1)

    def end(self, database: peewee.SqliteDatabase) -> None:
        database.connection().set_progress_handler(None, 1)

    def _step(self) -> int:
        self.count += 1
        return 0


async def fill(core: Core, turns: int) -> None:
    """A thread with this many turns, each with messages and activities, and a message that streams in the last one."""
    await core.dispatch(make.project_create())
    await core.dispatch(make.thread_create())
    for turn in range(turns):
        await core.dispatch(make.turn_start(message_id=f"ask-{turn}"))
        for number in range(MESSAGES_A_TURN):
            name = f"{turn}-{number}"
            await core.dispatch(make.assistant_delta(f"answer-{name}", "words "))
            await core.dispatch(make.assistant_complete(f"answer-{name}"))
            await core.dispatch(make.activity_append(make.activity(f"activity-{name}")))
    await core.dispatch(make.assistant_delta("streaming", "first "))
    await core.projected()


async def steps_of_a_delta(path: Path, turns: int) -> dict[str, int]:
    """The steps of one more delta: its decision and commit, and each projection."""
    async with open_core(path) as core:
        await fill(core, turns)
    steps, found = Steps(), dict[str, int]()
    async with open_core(path, starts=["dispatcher"]) as core:
        await core.dispatch(make.assistant_delta("streaming", "second "))
        await core.lane.run(steps.begin)
        await core.dispatch(make.assistant_delta("streaming", "third "))
        await core.lane.run(steps.end)
        found["decided and written"] = steps.count
        event = (await core.events())[-1]
        assert isinstance(event, PersistedEvent)
        for projection in PROJECTIONS:
            await core.lane.run(applying(steps, projection, event))
            found[projection.name] = steps.count
    return found


def applying(steps: Steps, projection: Projection, event: PersistedEvent) -> Callable[[peewee.SqliteDatabase], None]:
    def run(database: peewee.SqliteDatabase) -> None:
        steps.begin(database)
        with write_transaction(database, durability="normal"):
            projection.apply(database, [event])
        steps.end(database)

    return run


@pytest.mark.lesson("L4")
async def test_l04_a_delta_costs_the_same_in_a_long_and_a_short_thread(tmp_path: Path) -> None:
    short = await steps_of_a_delta(tmp_path / "short.db", 1)
    long = await steps_of_a_delta(tmp_path / "long.db", 40)
    assert all(short.values())
    assert {name: steps for name, steps in long.items() if steps > MOST_GROWTH * short[name]} == {}


@pytest.mark.lesson("L24")
async def test_l24_a_start_loads_no_thread_and_a_command_loads_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with open_core(path) as core:
        await core.dispatch(make.project_create())
        for number in range(60):
            await core.dispatch(make.thread_create(f"t{number}"))
            await core.dispatch(make.turn_start(f"t{number}", f"m{number}"))
        await core.projected()
    async with open_core(path) as core:
        assert core.states.loaded_threads == 0
        await core.dispatch(make.thread_meta_update("t7", title="loaded"))
        assert core.states.loaded_threads == 1
