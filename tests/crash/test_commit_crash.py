"""After SIGKILL under load, acknowledged commands are there, others are whole or absent, and sending them again shows
which.

Each test kills one file's host several times, so that the next host starts with what a crash left.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrion import DispatchResult, PersistedEvent, open_runtime, to_json
from tests.support.crash_load import WORKERS, load_command
from tests.support.killed_host import assert_left_whole, run_and_kill
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

KILLS = 3


def assert_commands_are_whole(log: Sequence[PersistedEvent]) -> None:
    """A command's events are all there and adjacent; a turn's start has two."""
    counted = Counter(event.command_id for event in log)
    for event in log:
        number = int(str(event.command_id).split("-")[1])
        assert counted[event.command_id] == (2 if number >= 2 and number % 4 == 0 else 1)
    order = list(dict.fromkeys(event.command_id for event in log))
    assert [event.command_id for event in log] == [one for one in order for _ in range(counted[one])]


@pytest.mark.lesson("L23")
@pytest.mark.spec("E35", "E41", "E2", "E3", "P31")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_killed_host_keeps_every_promise_it_made(tmp_path: Path) -> None:
    chance = random.Random(71)
    path = tmp_path / "state.db"
    answered: dict[tuple[int, int], int] = {}
    for _ in range(KILLS):
        for worker, number, sequence in run_and_kill(path, "load", after_reports=chance.randint(1, 400)):
            assert answered.setdefault((worker, number), sequence) == sequence
        log = assert_left_whole(path)
        assert_commands_are_whole(log)
        last = {str(event.command_id): event.sequence for event in log}
        assert {key: last.get(f"w{key[0]}-{key[1]}") for key in answered} == answered
    async with open_runtime(path) as runtime:
        assert to_json(await runtime.get_snapshot()) == snapshot_json(log)
        before = len(log)
        for (worker, number), sequence in answered.items():
            command, actor = load_command(worker, number)
            assert await runtime.dispatch(command, actor=actor) == DispatchResult(sequence=sequence, duplicate=True)
        assert runtime.health().head == before
        for worker in range(WORKERS):
            number = 1 + max((number for (by, number) in answered if by == worker), default=-1)
            command, actor = load_command(worker, number)
            first = await runtime.dispatch(command, actor=actor)
            assert first.duplicate == (f"w{worker}-{number}" in last)
            again = await runtime.dispatch(command, actor=actor)
            assert again == DispatchResult(sequence=first.sequence, duplicate=True)
        snapshot = to_json(await runtime.get_snapshot())
    assert snapshot == snapshot_json(assert_left_whole(path))
