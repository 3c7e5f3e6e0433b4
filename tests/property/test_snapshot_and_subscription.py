"""A snapshot taken at any moment plus the subscription after it equals a later snapshot.

This holds for any commands in any groups, whether or not the reader keeps up.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrion.actors.log import event_log
from orchestrion.actors.log.subscriptions import Subscription
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.errors import CommandRejected
from orchestrion.contracts.event_codec import event_json
from orchestrion.contracts.read_model import SnapshotRequest
from orchestrion.persistence.snapshot import read_cut, read_snapshot
from tests.support.client_model import ClientModel
from tests.support.core import Core, ScriptedMint, envelopes_of, open_core
from tests.support.examples import DATABASES, examples
from tests.support.random_commands import RandomRun, random_run
from tests.support.snapshot_oracle import snapshot_json


async def snapshot(core: Core) -> dict[str, Any]:
    async with core.projectors.cut(read_cut) as (pinned, _):
        found: dict[str, Any] = to_json(await pinned.run(lambda database: read_snapshot(database, SnapshotRequest())))
        return found


async def follow(core: Core, run: RandomRun, pauses: int) -> None:
    """Take a snapshot, apply every later event, and compare with the last snapshot."""
    client = ClientModel(await snapshot(core))
    position = client.snapshot()["snapshotSequence"]
    async with Subscription(core.log, position, None) as events:
        while events.position < len(run.log):
            client.apply(event_json(await anext(events)))
            for _ in range(pauses):
                await anyio.lowlevel.checkpoint()
    assert client.snapshot() == snapshot_json(run.log)


async def serve(path: Path, run: RandomRun, group: int, readers: list[tuple[int, int]]) -> None:
    mint, envelopes = ScriptedMint(run), envelopes_of(run)
    async with open_core(path, mint=mint, loaded_threads=2) as core:
        mint.begin()
        async with anyio.create_task_group() as tasks:
            for start in range(0, len(envelopes), group):
                for after, pauses in readers:
                    if start <= after < start + group:
                        tasks.start_soon(follow, core, run, pauses)
                submissions = [await core.dispatcher.submit(one) for one in envelopes[start : start + group]]
                for submission in submissions:
                    try:
                        await submission.result()
                    except CommandRejected:
                        continue
        assert await snapshot(core) == snapshot_json(run.log)


@pytest.mark.spec("E76", "R9", "R17")
@pytest.mark.usefixtures("blockbuster")
@settings(max_examples=examples(12, share=DATABASES), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    group=st.sampled_from([1, 3, 20]),
    readers=st.lists(st.tuples(st.integers(0, 119), st.sampled_from([0, 2, 30])), min_size=1, max_size=4),
    backend=st.sampled_from(["asyncio", "trio"]),
)
def test_snapshot_plus_later_events_equals_a_later_snapshot(
    monkeypatch: pytest.MonkeyPatch, seed: int, group: int, readers: list[tuple[int, int]], backend: str
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 3)
    run = random_run(seed, 120)
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(serve, Path(directory) / "state.db", run, group, readers, backend=backend)
