"""SQLite's WAL: left behind, torn, garbage, without its index, and held open by a reader."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from orchestrion import PersistedEvent, Runtime, open_runtime, to_json
from orchestrion.persistence.event_store import read_head
from orchestrion.persistence.inspection import open_read_only
from orchestrion.persistence.maintenance import tidy
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.snapshot_oracle import snapshot_json

pytestmark = pytest.mark.anyio

FIRST, LATER = 20, 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "left" / "state.db"


async def fill(runtime: Runtime, numbers: Sequence[int]) -> None:
    for number in numbers:
        await runtime.dispatch(make.project_create(f"p{number}", title=f"{number} " * 200))


async def leave_a_log(tmp_path: Path, path: Path) -> None:
    """A copy of a killed host's files: `FIRST` events in the database, the later ones in the WAL alone."""
    source = tmp_path / "state.db"
    async with open_runtime(source) as runtime:
        await fill(runtime, range(1, FIRST + 1))
    async with open_runtime(source) as runtime:
        await fill(runtime, range(FIRST + 1, LATER + 1))
        await runtime.wait_until_projected(LATER)
        await run_sync(_copy, source, path)


def _copy(source: Path, path: Path) -> None:
    path.parent.mkdir()
    for suffix in ("", "-wal", "-shm"):
        shutil.copy(f"{source}{suffix}", f"{path}{suffix}")


def _damage_index(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "garbage":
        file.write_bytes(os.urandom(file.stat().st_size))


def wal_of(path: Path) -> Path:
    return Path(f"{path}-wal")


async def served(path: Path) -> int:
    """How many events a runtime finds. Asserts that its rows are their fold and that the file is sound."""
    async with open_runtime(path) as runtime:
        log = [event async for event in runtime.replay_events(0) if isinstance(event, PersistedEvent)]
        assert [event.sequence for event in log] == list(range(1, len(log) + 1))
        assert to_json(await runtime.get_snapshot()) == snapshot_json(log)
        result = await runtime.dispatch(make.project_create("afterwards"))
        assert result.sequence == len(log) + 1
    assert (await run_sync(verify_database, path)).findings == ()
    return len(log)


@pytest.mark.parametrize("index", ["whole", "missing", "garbage"])
async def test_leftover_wal_is_read_in_any_state_of_its_index(tmp_path: Path, path: Path, index: str) -> None:
    await leave_a_log(tmp_path, path)
    _damage_index(Path(f"{path}-shm"), index)
    assert await served(path) == LATER


@pytest.mark.lesson("L23")
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
async def test_l23_a_torn_log_is_a_prefix_of_what_was_written(tmp_path: Path, path: Path, share: float) -> None:
    await leave_a_log(tmp_path, path)
    os.truncate(wal_of(path), int(wal_of(path).stat().st_size * share))
    assert FIRST <= await served(path) < LATER


@pytest.mark.lesson("L23")
async def test_l23_damaged_page_of_the_wal_ends_it_there(tmp_path: Path, path: Path) -> None:
    await leave_a_log(tmp_path, path)
    content = bytearray(wal_of(path).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = os.urandom(4096)
    wal_of(path).write_bytes(content)
    assert FIRST <= await served(path) < LATER


@pytest.mark.parametrize("content", [b"", b"\0" * 100_000, os.urandom(100_000)], ids=["empty", "zeros", "garbage"])
async def test_a_log_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, path: Path, content: bytes) -> None:
    await leave_a_log(tmp_path, path)
    wal_of(path).write_bytes(content)
    assert await served(path) == FIRST


async def test_leftover_wal_is_seen_by_read_only_commands(tmp_path: Path, path: Path) -> None:
    await leave_a_log(tmp_path, path)
    assert await run_sync(_head_seen, path) == LATER


async def test_a_long_snapshot_delays_only_the_moving_of_the_log(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    async with open_runtime(path) as runtime:
        await fill(runtime, range(1, FIRST + 1))
        await runtime.wait_until_projected(FIRST)
        lane = runtime._dispatcher._lane
        assert (await lane.run(tidy)).checkpointed
        reader = await run_sync(_begin_reading, path)
        await fill(runtime, range(FIRST + 1, LATER + 1))
        await runtime.wait_until_projected(LATER)
        assert not (await lane.run(tidy)).checkpointed
        assert await run_sync(_count, reader) == FIRST
        assert (await runtime.get_snapshot()).snapshot_sequence == LATER
        await run_sync(reader.close)
        assert (await lane.run(tidy)).checkpointed
        grown = wal_of(path).stat().st_size
        await fill(runtime, range(LATER + 1, LATER + 11))
        await runtime.wait_until_projected(LATER + 10)
        assert wal_of(path).stat().st_size == grown
    assert not wal_of(path).exists()


def _head_seen(path: Path) -> int:
    with open_read_only(path) as database:
        return read_head(database).sequence


def _begin_reading(path: Path) -> sqlite3.Connection:
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    assert _count(reader) == FIRST
    return reader


def _count(reader: sqlite3.Connection) -> int:
    (count,) = reader.execute("SELECT count(*) FROM orchestration_events").fetchone()
    return int(count)
