"""The door to git: whatever becomes of who asked, no process of git is left."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrion.actors.workspace.git import Git

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("steps", range(10))
async def test_git_cancelled_at_any_step_of_its_start_is_waited_for(tmp_path: Path, steps: int) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)
    before = children()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Git(program=str(program), directory=tmp_path).run, "write-tree")
        for _ in range(steps):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert children() == before


def children() -> set[int]:
    """The processes that this one started and has not reaped; Linux only."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for one in lists for pid in one.read_text(encoding="ascii").split()}
