"""A host killed between the storage of an attachment and its event: no event without its bytes, and nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from orchestrion import RetentionPolicy, open_runtime
from orchestrion.actors.log.blob_collector import BlobCollector
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.persistence.blobs import BlobStore
from orchestrion.persistence.crash_points import CrashPoint
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.core import open_core
from tests.support.session_host import session_host

pytestmark = pytest.mark.anyio

POINTS: tuple[CrashPoint, ...] = ("blob.written", "blob.stored", "append.events-written", "append.committed")


@pytest.mark.spec("E80")
@pytest.mark.parametrize("point", POINTS)
async def test_killed_host_leaves_no_event_without_its_bytes(tmp_path: Path, point: CrashPoint) -> None:
    database = tmp_path / "state.db"
    asked = make.turn_start(attachments=(make.image(),))
    async with open_runtime(database) as runtime:
        await runtime.dispatch(make.project_create(workspace_root=str(tmp_path)))
        await runtime.dispatch(make.thread_create())
    async with session_host(tmp_path, crash_at=point) as host:
        await host.send(asked)
        assert await host.died() < 0
    report = await anyio.to_thread.run_sync(verify_database, database)
    assert report.findings == ()
    assert report.head == (5 if point == "append.committed" else 2)
    async with open_runtime(database) as runtime:
        again = await runtime.dispatch(asked)
        assert (again.sequence, again.duplicate) == (5, point == "append.committed")
    assert (await anyio.to_thread.run_sync(verify_database, database)).findings == ()


@pytest.mark.spec("E85")
@pytest.mark.parametrize("point", ["blob.written", "blob.stored"])
async def test_what_a_killed_host_stored_for_nothing_is_collected(tmp_path: Path, point: CrashPoint) -> None:
    database = tmp_path / "state.db"
    async with open_runtime(database) as runtime:
        await runtime.dispatch(make.project_create(workspace_root=str(tmp_path)))
        await runtime.dispatch(make.thread_create())
    async with session_host(tmp_path, crash_at=point) as host:
        await host.send(make.turn_start(attachments=(make.image(),)))
        assert await host.died() < 0
    store = BlobStore.beside(database)
    left = [path for path in store.folder.rglob("*") if path.is_file()]
    assert len(left) == 1
    os.utime(left[0], (1, 1))
    async with open_core(database) as core:
        await BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint()).collect()
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
