"""The reading connections are bounded in number and returned, also if the tasks that read are cancelled."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrion.contracts.values import EPOCH
from orchestrion.persistence.event_store import LogHead, read_head
from tests.support.core import Core, open_core

pytestmark = pytest.mark.anyio

EMPTY = LogHead(0, EPOCH)


async def _head_in_one_transaction(core: Core) -> LogHead:
    async with core.readers.pinned(read_head) as (_, head):
        return head


@pytest.mark.parametrize("steps", range(8))
async def test_a_reader_cancelled_at_any_step_is_cancelled_and_nothing_else(tmp_path: Path, steps: int) -> None:
    async with open_core(tmp_path / "state.db") as core:
        assert await _head_in_one_transaction(core) == EMPTY, "from now on there is an idle connection"
        scope = anyio.CancelScope()

        async def read() -> None:
            with scope:
                while True:
                    await _head_in_one_transaction(core)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            for _ in range(steps):
                await checkpoint()
            scope.cancel()
        assert await _head_in_one_transaction(core) == EMPTY


async def test_a_cancelled_reader_leaves_no_transaction_open(tmp_path: Path) -> None:
    async with open_core(tmp_path / "state.db") as core:
        with anyio.CancelScope() as scope:
            async with core.readers.pinned(read_head):
                scope.cancel()
                await anyio.sleep_forever()
        assert await core.readers.run(lambda database: database.connection().in_transaction) is False
