"""A thread's captures run in order, also if a task that waits for one is cancelled."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from orchestrion.actors.checkpoints.captures_under_way import CaptureBudget
from orchestrion.actors.checkpoints.checkpointer import Checkpointer
from orchestrion.actors.checkpoints.git import RefNames
from orchestrion.actors.checkpoints.turn_workspace import TurnWorkspace
from orchestrion.actors.checkpoints.workspace_use import WorkspaceUse
from orchestrion.actors.last_errors import LastErrors
from orchestrion.actors.log.command_sender import CommandSender
from orchestrion.contracts.ids import ThreadId, TurnId
from orchestrion.contracts.system_mint import SystemMint
from tests.support.core import open_core

pytestmark = pytest.mark.anyio

THREAD = ThreadId("t1")


async def test_cancelled_request_for_a_capture_blocks_no_other(tmp_path: Path) -> None:
    mint = SystemMint()
    async with open_core(tmp_path / "state.db") as core:
        checkpointer = Checkpointer(
            core.lane,
            CommandSender(core.dispatcher, LastErrors(mint.now), storage_deadline=1.0),
            mint,
            WorkspaceUse(),
            database=core.path,
            names=RefNames(database="0a"),
            budget=CaptureBudget(),
        )
        turn = TurnWorkspace(thread_id=THREAD, turn_id=TurnId("turn-1"), turn_count=1, path=tmp_path)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await checkpointer.capture_end(turn)
        with anyio.fail_after(180):
            await checkpointer.settled(THREAD)
        checkpointer.abandon()
