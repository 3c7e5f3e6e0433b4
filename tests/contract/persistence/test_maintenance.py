"""The file shrinks: freed pages go back to the disk and the WAL into the file, and nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import peewee
import pytest
from anyio.to_thread import run_sync

from orchestrion import EPOCH, RetentionPolicy, open_runtime
from orchestrion.actors.last_errors import LastErrors
from orchestrion.actors.log.blob_collector import BlobCollector
from orchestrion.actors.log.caretaker import Caretaker
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.persistence.database import prepare, write_transaction
from orchestrion.persistence.maintenance import tidy
from tests.support import builders as make
from tests.support.core import Core, open_core, run_sql

LONG_TEXT = "x" * 100_000
MESSAGES = 40


@pytest.fixture
def database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    opened = prepare(tmp_path / "state.db", EPOCH)
    yield opened
    opened.close()


def fill(database: peewee.SqliteDatabase) -> None:
    with write_transaction(database, durability="normal"):
        for number in range(MESSAGES):
            database.execute_sql(
                "INSERT INTO projection_thread_messages"
                " (message_id, thread_id, role, text, is_streaming, created_at, updated_at)"
                " VALUES (?, 't1', 'user', ?, 0, ?, ?)",
                (f"m{number}", LONG_TEXT, EPOCH, EPOCH),
            )


def empty(database: peewee.SqliteDatabase) -> None:
    with write_transaction(database, durability="normal"):
        database.execute_sql("DELETE FROM projection_thread_messages")


def size_of(database: peewee.SqliteDatabase) -> int:
    return Path(database.database).stat().st_size


def test_deleted_rows_give_their_room_back(database: peewee.SqliteDatabase) -> None:
    fill(database)
    tidy(database)
    full = size_of(database)
    empty(database)
    done = tidy(database)
    assert (done.checkpointed, done.left) == (True, 0)
    assert done.freed * 4096 > MESSAGES * len(LONG_TEXT) * 0.9
    assert size_of(database) <= full - done.freed * 4096


def test_one_turn_frees_a_bounded_number_of_pages(database: peewee.SqliteDatabase) -> None:
    fill(database)
    empty(database)
    first = tidy(database, most_pages=100)
    second = tidy(database, most_pages=100)
    assert 0 < first.freed <= 110  # the map of pages may go with them
    assert second.left < first.left


def test_where_nothing_is_free_only_the_wal_is_moved(database: peewee.SqliteDatabase) -> None:
    fill(database)
    assert tidy(database).freed == 0
    assert size_of(database) > MESSAGES * len(LONG_TEXT)


def test_a_file_laid_out_before_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    prepare(path, EPOCH).close()
    old = peewee.SqliteDatabase(str(path))
    old.execute_sql("PRAGMA auto_vacuum = NONE")
    old.execute_sql("VACUUM")
    old.close()
    opened = prepare(path, EPOCH)
    try:
        fill(opened)
        empty(opened)
        done = tidy(opened)
    finally:
        opened.close()
    assert done.freed == 0
    assert done.left > 0


@pytest.mark.anyio
async def test_the_caretaker_tidies_once_the_log_is_quiet(tmp_path: Path) -> None:
    async with open_core(tmp_path / "state.db") as core:
        blobs = BlobCollector(core.lane, core.readers, RetentionPolicy(), SystemMint())
        caretaker = Caretaker(core.lane, core.log, LastErrors(SystemMint().now), blobs, quiet_seconds=0.001)
        await core.lane.run(fill)
        await core.lane.run(empty)
        assert await free_pages(core) > 0
        core.tasks.start_soon(caretaker.run)
        with anyio.fail_after(180):
            while await free_pages(core):
                await anyio.lowlevel.checkpoint()
        await core.lane.run(fill)
        await core.lane.run(empty)
        await core.dispatch(make.project_create())
        with anyio.fail_after(180):
            while await free_pages(core):
                await anyio.lowlevel.checkpoint()
        core.log.end()


@pytest.mark.anyio
async def test_a_clean_stop_leaves_no_room_unused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create())

    def fill_and_empty() -> None:
        opened = prepare(path, EPOCH)
        fill(opened)
        empty(opened)
        opened.close()

    await run_sync(fill_and_empty)
    async with open_runtime(path):
        pass
    assert await run_sql(path, "PRAGMA freelist_count") == [(0,)]


async def free_pages(core: Core) -> int:
    ((pages,),) = await core.sql("PRAGMA freelist_count")
    return int(pages)
