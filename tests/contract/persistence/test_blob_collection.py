"""What nothing refers to is removed after a time of grace; what an event refers to stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from anyio import to_thread

from orchestrion import Attachment, Digest, RetentionPolicy, attachment_of
from orchestrion.actors.log import blob_collector
from orchestrion.actors.log.blob_collector import BlobCollector
from orchestrion.contracts.blobs import blob_of
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.persistence.blobs import BlobStore, CollectRequest, collection, find_unreferenced, remove_unreferenced
from tests.support import builders as make
from tests.support.core import Core, open_core

pytestmark = pytest.mark.anyio

ORPHAN = blob_of(b"nothing refers to this")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def attached(content: bytes) -> Attachment:
    return attachment_of(content, name="raw", mime_type="image/x-raw")


async def prepare(core: Core) -> Digest:
    """A thread whose message has an attachment, and an orphan beside it; the digest of the former."""
    await core.dispatch(make.project_create())
    await core.dispatch(make.thread_create())
    await core.dispatch(make.turn_start(attachments=(attached(b"kept"),)))
    await to_thread.run_sync(BlobStore.beside(core.path).put, ORPHAN)
    return blob_of(b"kept").digest


def stored(path: Path) -> set[Digest]:
    return {one.digest for one in BlobStore.beside(path).walk()}


def age_all(path: Path) -> None:
    for file in BlobStore.beside(path).folder.rglob("*"):
        if file.is_file():
            os.utime(file, (1, 1))


@pytest.mark.spec("E85")
async def test_collection_removes_old_orphans_alone(path: Path) -> None:
    async with open_core(path) as core:
        kept = await prepare(core)
        collector = BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint())
        await collector.collect()
        assert stored(path) == {kept, ORPHAN.digest}, "both are young"
        age_all(path)
        await collector.collect()
        assert stored(path) == {kept, ORPHAN.digest}, "it looks once an hour"
        collector = BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint())
        await collector.collect()
        assert stored(path) == {kept}


@pytest.mark.spec("E85")
async def test_attachments_of_deleted_threads_stay_unless_a_policy_removes_them(path: Path) -> None:
    async with open_core(path) as core:
        kept = await prepare(core)
        await core.dispatch(make.thread_create("t2"))
        shared = (attached(b"kept"), attached(b"own"))
        await core.dispatch(make.turn_start("t2", "m2", attachments=shared))
        await core.dispatch(make.thread_delete("t2"))
        await core.projected()
        age_all(path)
        keeping = BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint())
        await keeping.collect()
        assert stored(path) == {kept, blob_of(b"own").digest}
        removing = RetentionPolicy(deleted_threads_after=0.0)
        await BlobCollector(core.lane, core.readers, removing, SystemMint()).collect()
        assert stored(path) == {kept}, "a thread that lives refers to it too"


@pytest.mark.spec("E85")
async def test_blob_that_a_command_stores_again_between_the_two_looks_stays(path: Path) -> None:
    async with open_core(path) as core:
        await prepare(core)
        age_all(path)
        store, request = BlobStore.beside(path), CollectRequest(stored_before=time.time())
        found = await core.readers.run(lambda database: find_unreferenced(database, store, request))
        assert found == {ORPHAN.digest}
        again = attached(ORPHAN.content)
        await core.dispatch(make.turn_start(message_id="m2", attachments=(again,)))
        await core.lane.run(lambda database: remove_unreferenced(database, store, found, request))
        assert store.read(ORPHAN.digest) == ORPHAN.content


async def test_collection_goes_on_after_its_first_removals(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "REMOVED_AT_ONCE", 2)
    async with open_core(path) as core:
        kept = await prepare(core)
        for number in range(5):
            await to_thread.run_sync(BlobStore.beside(path).put, blob_of(b"orphan %d" % number))
        age_all(path)
        await BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint()).collect()
        assert stored(path) == {kept}


async def test_temporary_files_of_dead_hosts_are_removed_with_orphans(path: Path) -> None:
    async with open_core(path) as core:
        await prepare(core)
        left = BlobStore.beside(path).folder / "unfinished-0123456789abcdef"
        await to_thread.run_sync(left.write_bytes, b"half")
        age_all(path)
        await BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint()).collect()
        assert not left.exists()


def test_hour_between_looks_is_one() -> None:
    assert blob_collector.COLLECT_SECONDS == 3600.0
