"""Any prefix of a log is a valid state: its rows, its decision states, and a host that starts on it.

The log comes from real dispatches. It is cut after any event, also within a command: no crash leaves that, but no
reader of a log may depend on where it ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import attrs
import pytest
from anyio.to_thread import run_sync
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrion import open_runtime, to_json
from orchestrion.contracts.events import PersistedEvent
from orchestrion.domain.state import ProjectState, ThreadState
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.decision_states import DecisionStates
from orchestrion.persistence.verify import verify_database
from orchestrion.testing.model_host import ModelHost
from tests.support import builders as make
from tests.support.examples import DATABASES, examples
from tests.support.interleaving.surroundings import NoAgent, check_owned, wait_until_settled
from tests.support.projection_oracle import fold
from tests.support.random_commands import RandomRun, random_run
from tests.support.served_log import TABLES, copy_prefix, serve, tables_of
from tests.support.snapshot_oracle import snapshot_json

Log = Sequence[PersistedEvent]


async def check_prefixes(directory: Path, run: RandomRun, cuts: list[int]) -> None:
    served = directory / "served.db"
    await serve(served, run, 10, [])
    for number, cut in enumerate(cuts):
        prefix = run.log[: cut % (len(run.log) + 1)]
        path = directory / f"{number}.db"
        await run_sync(copy_prefix, served, path, len(prefix))
        async with open_runtime(path) as runtime:
            assert to_json(await runtime.get_snapshot()) == snapshot_json(prefix)
        await run_sync(check_rows_and_states, path, prefix)
        await run_sync(check_verified, path, run, prefix)
        async with open_runtime(path, providers=[NoAgent()]) as runtime:
            await check_owned(runtime)
            await wait_until_settled(runtime)
            assert not (await runtime.dispatch(make.project_create("next", command_id="next"))).duplicate


def check_rows_and_states(path: Path, prefix: Log) -> None:
    """Rows are the fold of the prefix; loaded decision states are what `evolve` makes of it."""
    database = open_reader(path)
    try:
        rows = tables_of(database)
        assert {table: rows[table] for table in TABLES} == fold(prefix)
        assert {row[1] for row in rows["projection_state"]} == {len(prefix)}
        states, host = DecisionStates(database, limit=1000), ModelHost(prefix)
        for project_id, project in host.projects.items():
            assert without_sequence(states.project(project_id)) == without_sequence(project)
        for thread_id, thread in host.threads.items():
            loaded = states.thread(thread_id)
            assert loaded == thread
            assert list(loaded.open_intents) == list(thread.open_intents), "the order of requests"
            for turn_id in thread.turns:
                own = frozenset([turn_id])
                assert states.messages_of(thread_id, own) == host.messages_of(thread_id, own)
        for message_id, message in host.messages.items():
            found = states.message(message_id)
            assert found is not None
            assert attrs.evolve(found, last_sequence=message.last_sequence) == message
        assert states.thread(make.thread_create("nowhere").thread_id) is None
    finally:
        database.close()


def without_sequence(state: ProjectState | ThreadState | None) -> object:
    """A project's state records when a thread was created or deleted; its rows do not."""
    return None if state is None else attrs.evolve(state, last_sequence=0)


def check_verified(path: Path, run: RandomRun, prefix: Log) -> None:
    """`verify` finds nothing, except that a command cut in two has no receipt."""
    report = verify_database(path)
    rest = run.log[len(prefix) :]
    torn = [event for event in prefix if rest and event.command_id == rest[0].command_id]
    assert [(one.check, one.where) for one in report.findings] == [
        ("receipts", f"event {event.sequence}") for event in torn
    ]
    open_intents = [thread.open_intents for thread in ModelHost(prefix).threads.values() if not thread.deleted]
    assert report.open_intents == sum(map(len, open_intents))


@pytest.mark.spec("P32")
@pytest.mark.usefixtures("blockbuster")
@settings(
    max_examples=examples(8, share=DATABASES),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 10_000), min_size=3, max_size=3),
    backend=st.sampled_from(["asyncio", "trio"]),
)
def test_a_host_goes_on_from_any_prefix_of_a_log(seed: int, cuts: list[int], backend: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        anyio.run(check_prefixes, Path(directory), random_run(seed, 120), cuts, backend=backend)
