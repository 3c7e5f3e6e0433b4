"""Decision state is evicted only if it can be loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import builders as make
from tests.support.core import open_core

pytestmark = pytest.mark.anyio


@pytest.mark.lesson("L24")
async def test_a_thread_is_kept_for_as_long_as_the_projections_lack_its_events(tmp_path: Path) -> None:
    threads = [f"t{number}" for number in range(1, 6)]
    async with open_core(tmp_path / "state.db", loaded_threads=1, starts=["dispatcher"]) as core:
        await core.dispatch(make.project_create())
        for thread in threads:
            await core.dispatch(make.thread_create(thread))
        assert core.states.loaded_threads == len(threads)
        for thread in threads:
            await core.dispatch(make.turn_start(thread, f"message of {thread}"))

        core.start_projectors()
        await core.projected()
        await core.dispatch(make.thread_meta_update("t1", title="again"))
        assert core.states.loaded_threads <= 2
        for thread in threads:
            await core.dispatch(make.thread_meta_update(thread, title="still known"))
