"""A renamed workspace without a repository still finds the captures that were made under its former path."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion.contracts.events import ThreadReverted
from tests.support.builders import checkpoint_revert, project_meta_update
from tests.support.stage import Stage, activity, stage

pytestmark = pytest.mark.anyio


async def turn(it: Stage, script: str) -> None:
    asked = await it.ask(script)
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


async def reverts(it: Stage, turn_count: int) -> bool:
    requested = await it.send(checkpoint_revert(turn_count=turn_count))
    return isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)


@pytest.mark.lesson("L72")
async def test_a_renamed_workspace_without_a_repository_keeps_its_captures(tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        await anyio.Path(it.workspace).rename(renamed)
        await anyio.Path(it.workspace).mkdir()
        await it.send(project_meta_update("p1", workspace_root=str(renamed)))
        assert await reverts(it, 1)
        assert sorted(path.name for path in renamed.iterdir()) == ["one"]
        await turn(it, "touch three")
        assert await reverts(it, 0)
        assert list(renamed.iterdir()) == []
    assert len(list((tmp_path / "state.db.checkpoints").glob("*.git"))) == 1
