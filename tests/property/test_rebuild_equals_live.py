"""What a runtime projected live, from commands in groups, is what a rebuild makes of its log, table by table."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import peewee
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.actors import projector as projector_module
from orchestrion.persistence.bootstrap import ReplayRequest
from orchestrion.persistence.database import open_writer
from orchestrion.persistence.projections import PROJECTIONS
from orchestrion.persistence.rebuild import rebuild
from orchestrion.runtime.contracts.errors import CommandRejected
from tests.support.core import ScriptedMint, envelopes_of, open_core
from tests.support.projection_oracle import fold
from tests.support.projection_scenarios import rows_of
from tests.support.random_commands import RandomRun, random_run

Tables = dict[str, list[tuple[Any, ...]]]


def tables_of(database: peewee.SqliteDatabase) -> Tables:
    """Every projection's rows in order of arrival, and the positions."""
    tables: Tables = {one.model._meta.table_name: rows_of(database, one.model) for one in PROJECTIONS}
    tables["projection_state"] = database.execute_sql("SELECT * FROM projection_state ORDER BY projector").fetchall()
    return tables


async def serve(path: Path, run: RandomRun, group: int, cuts: list[int]) -> None:
    """Dispatch a run, leaving and opening the file again before the commands in `cuts`."""
    mint, envelopes = ScriptedMint(run), envelopes_of(run)
    bounds = sorted({0, *cuts, len(envelopes)})
    for first, last in pairwise(bounds):
        async with open_core(path, mint=mint, loaded_threads=3) as core:
            mint.begin()
            for start in range(first, last, group):
                submissions = [await core.dispatcher.submit(one) for one in envelopes[start : min(last, start + group)]]
                for submission in submissions:
                    try:
                        await submission.result()
                    except CommandRejected:
                        continue
            mint.pause()


@pytest.mark.lesson("L10")
@pytest.mark.spec("P32", "P33")
@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    group=st.sampled_from([1, 4, 50]),
    cuts=st.lists(st.integers(1, 149), max_size=2),
    lazy=st.sampled_from([1, 7, 1_000]),
    backend=st.sampled_from(["asyncio", "trio"]),
)
def test_a_rebuild_gives_the_rows_that_were_projected_live(
    seed: int, group: int, cuts: list[int], lazy: int, backend: str
) -> None:
    run = random_run(seed, 150)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(projector_module, "LAZY_EVENTS", lazy)
        path = Path(directory) / "state.db"
        anyio.run(serve, path, run, group, cuts, backend=backend)
        database = open_writer(path)
        try:
            live = tables_of(database)
            assert {table: rows for table, rows in live.items() if table != "projection_state"} == fold(run.log)
            for one in PROJECTIONS:
                database.execute_sql(f"DELETE FROM {one.model._meta.table_name}")
            rebuild(database, ReplayRequest(projections=PROJECTIONS))
            assert tables_of(database) == live
        finally:
            database.close()
