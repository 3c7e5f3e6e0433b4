"""The log follower: contiguous batches, whatever its channel holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors import event_log
from tests.support import builders as make
from tests.support.core import open_core

pytestmark = pytest.mark.anyio


@pytest.mark.lesson("L11")
async def test_a_batch_behind_a_gap_is_not_taken_before_the_gap_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "CHANNEL_BATCHES", 1)
    async with open_core(tmp_path / "state.db", starts=["dispatcher"]) as core:
        follower = core.log.follow(0)
        await core.dispatch(make.project_create("in-the-channel"))
        await core.dispatch(make.project_create("finds-the-channel-full"))
        assert [event.sequence for event in follower.next_batch_nowait()] == [1]
        await core.dispatch(make.project_create("behind-the-gap"))
        assert list(follower.next_batch_nowait()) == []
        assert [event.sequence for event in await follower.next_batch()] == [2, 3]
        assert (follower.position, follower.lag) == (3, 0)
        follower.close()
