"""The rows that a runtime projected live, from commands in groups, equal a rebuild from its log, table by table."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrion.actors.projecting import projector as projector_module
from orchestrion.persistence import bootstrap
from orchestrion.persistence.bootstrap import ReplayRequest, replay_to_head
from orchestrion.persistence.database import open_writer, reopen
from orchestrion.persistence.projections import PROJECTIONS, Projection
from orchestrion.persistence.rebuild import rebuild
from tests.support.examples import DATABASES, examples
from tests.support.projection_oracle import fold
from tests.support.random_commands import random_run
from tests.support.served_log import TABLES, forget_rows, serve, tables_of


@pytest.mark.lesson("L10")
@pytest.mark.spec("P32", "P33")
@settings(max_examples=examples(12, share=DATABASES))
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
            assert {table: live[table] for table in TABLES} == fold(run.log)
            forget_rows(path)
            rebuild(database, ReplayRequest(projections=PROJECTIONS))
            assert tables_of(database) == live
        finally:
            database.close()


@pytest.mark.spec("P32", "P33")
@settings(max_examples=examples(12, share=DATABASES))
@given(
    seed=st.integers(0, 10_000),
    steps=st.lists(
        st.tuples(
            st.sets(st.sampled_from(PROJECTIONS), min_size=1),
            st.integers(0, 10_000),
            st.sampled_from([1, 2, 3, 10, 2_000]),
        ),
        max_size=8,
    ),
    torn=st.integers(0, 10_000),
)
def test_a_replay_cut_anywhere_gives_the_rows_that_were_projected_live(
    seed: int, steps: list[tuple[set[Projection], int, int]], torn: int
) -> None:
    """Each projection at its own speed, in pages of any size, closed and opened again, once within a command."""
    run = random_run(seed, 150)
    in_midst = [one.sequence for one, other in pairwise(run.log) if one.command_id == other.command_id]
    assert in_midst, "a run of this length asks for turns, which is two events"
    steps.insert(torn % (len(steps) + 1), (set(PROJECTIONS), in_midst[torn % len(in_midst)], 2_000))
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        path = Path(directory) / "state.db"
        anyio.run(serve, path, run, 50, [])
        database = open_writer(path)
        try:
            live = tables_of(database)
            forget_rows(path)
            for projections, up_to, page in [*steps, (set(PROJECTIONS), len(run.log), 7)]:
                patched.setattr(bootstrap, "PAGE_EVENTS", page)
                request = ReplayRequest(projections=list(projections), up_to=up_to % (len(run.log) + 1))
                assert replay_to_head(database, request) == []
                reopen(database)
            assert tables_of(database) == live
        finally:
            database.close()
