"""A turn or an approval request belongs to one thread, whether it is known from memory or from rows."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from orchestrion.contracts.errors import CommandRejected
from tests.support import builders as make
from tests.support.core import Core, open_core

pytestmark = pytest.mark.anyio

EVERYTHING = ("dispatcher", "projectors")
LAGGING = ("dispatcher",)


async def _two_threads_of_which_one_has_it_all(core: Core) -> None:
    await core.dispatch(make.project_create())
    for thread in ("t1", "t2"):
        await core.dispatch(make.thread_create(thread))
    await core.dispatch(make.session_set("running", active_turn_id="turn-1"))
    await core.dispatch(make.approval_requested("r1", turn_id="turn-1"))


async def _the_other_thread_is_refused_both(core: Core) -> None:
    with pytest.raises(CommandRejected, match="'turn-1' belongs to thread 't1'"):
        await core.dispatch(make.session_set("running", thread_id="t2", active_turn_id="turn-1"))
    with pytest.raises(CommandRejected, match="'r1' belongs to thread 't1'"):
        await core.dispatch(make.approval_requested("r1", thread_id="t2"))


@pytest.mark.spec("E44")
@pytest.mark.parametrize("starts", [EVERYTHING, LAGGING], ids=["projected", "while projectors lag"])
async def test_an_id_of_another_thread_is_refused(tmp_path: Path, starts: Collection[str]) -> None:
    async with open_core(tmp_path / "state.db", starts=starts) as core:
        await _two_threads_of_which_one_has_it_all(core)
        await _the_other_thread_is_refused_both(core)


@pytest.mark.spec("E44")
async def test_an_id_of_another_thread_is_refused_after_a_restart(tmp_path: Path) -> None:
    async with open_core(tmp_path / "state.db") as core:
        await _two_threads_of_which_one_has_it_all(core)
        await core.projected()
    async with open_core(tmp_path / "state.db") as core:
        await _the_other_thread_is_refused_both(core)


@pytest.mark.spec("E44")
@pytest.mark.parametrize("starts", [EVERYTHING, LAGGING], ids=["projected", "while projectors lag"])
async def test_a_removed_turns_id_is_free_at_any_pace(tmp_path: Path, starts: Collection[str]) -> None:
    async with open_core(tmp_path / "state.db", starts=starts) as core:
        await _two_threads_of_which_one_has_it_all(core)
        await core.dispatch(make.session_set("ready"))
        await core.dispatch(make.revert_complete("t1", 0))
        await core.dispatch(make.session_set("running", thread_id="t2", active_turn_id="turn-1"))
        with pytest.raises(CommandRejected, match="'turn-1' belongs to thread 't2'"):
            await core.dispatch(make.session_set("running", active_turn_id="turn-1"))


@pytest.mark.spec("E44")
async def test_ids_of_an_uncommitted_command_are_free(tmp_path: Path) -> None:
    async with open_core(tmp_path / "state.db", starts=LAGGING) as core:
        await core.dispatch(make.project_create())
        for thread in ("t1", "t2"):
            await core.dispatch(make.thread_create(thread))
        await core.sql(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON orchestration_events"
            " WHEN NEW.stream_id = 't1' BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        with pytest.raises(Exception, match="refused"):
            await core.dispatch(make.session_set("running", active_turn_id="turn-1"))
        await core.dispatch(make.session_set("running", thread_id="t2", active_turn_id="turn-1"))
