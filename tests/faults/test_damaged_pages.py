"""A page in the middle of the file is destroyed: reads that need it fail, all others continue, and a backup opens."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.to_thread import run_sync

from orchestrion import DatabaseCorrupt, PersistedEvent, ProjectionStalled, open_runtime, to_json
from orchestrion.persistence.verify import verify_database
from tests.support import builders as make
from tests.support.core import write_log
from tests.support.damage import destroy_page, truncate
from tests.support.random_commands import random_log
from tests.support.snapshot_oracle import snapshot_json

LOG = random_log(93, 1500)
MESSAGES = "projection.thread-messages"
ADVICE = r"state\.db is damaged .*: run `orchestrion verify`, or restore a backup"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a log and its projections that no process has open."""
    path = tmp_path_factory.mktemp("sound") / "state.db"

    async def make_it() -> None:
        await write_log(path, LOG)
        async with open_runtime(path):
            pass

    anyio.run(make_it)
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "state.db"))


def persisted(log: Sequence[object]) -> list[PersistedEvent]:
    return [event for event in log if isinstance(event, PersistedEvent)]


def without_queues(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A snapshot whose waiting turns cannot be read: they are in the log alone."""
    return {**snapshot, "threads": [{**thread, "queue": []} for thread in snapshot["threads"]]}


@pytest.mark.anyio
async def test_a_destroyed_log_page_is_reported_and_snapshots_are_served(path: Path) -> None:
    await run_sync(destroy_page, path, "orchestration_events")
    async with open_runtime(path) as runtime:
        with pytest.raises(DatabaseCorrupt, match=ADVICE):
            persisted([event async for event in runtime.replay_events(0)])
        assert to_json(await runtime.get_snapshot()) == without_queues(snapshot_json(LOG))
        assert runtime.health().status == "running"
        with pytest.raises(DatabaseCorrupt, match=ADVICE):
            await runtime.rebuild()
        assert to_json(await runtime.get_snapshot()) == without_queues(snapshot_json(LOG))


@pytest.mark.anyio
async def test_a_destroyed_projection_page_is_reported_and_commands_go_on(path: Path) -> None:
    await run_sync(destroy_page, path, "projection_thread_messages")
    async with open_runtime(path) as runtime:
        with pytest.raises(DatabaseCorrupt, match=ADVICE):
            await runtime.get_snapshot()
        summary = await runtime.get_snapshot(detail="summary")
        assert summary.snapshot_sequence == len(LOG)
        result = await runtime.dispatch(make.project_create("after the damage"))
        assert persisted([event async for event in runtime.replay_events(0)])[:-1] == LOG
        assert result.sequence == len(LOG) + 1


@pytest.mark.anyio
async def test_a_destroyed_log_index_fails_commands_and_writes_nothing(path: Path) -> None:
    await run_sync(destroy_page, path, "orchestration_events_command_id")
    ids = sorted({str(event.command_id) for event in LOG})
    refusals: list[str] = []
    async with open_runtime(path) as runtime:
        for number, beside in enumerate(ids):
            try:
                await runtime.dispatch(make.project_create(f"new-{number}", command_id=f"{beside}-beside"))
            except DatabaseCorrupt as error:
                refusals.append(str(error))
        assert 0 < len(refusals) < len(ids)
        assert all("run `orchestrion verify`, or restore a backup" in refusal for refusal in refusals)
        log = persisted([event async for event in runtime.replay_events(0)])
        assert len(log) == runtime.health().head == len(LOG) + len(ids) - len(refusals)
        assert runtime.health().status == "running"


@pytest.mark.anyio
async def test_a_projector_that_meets_a_destroyed_page_halts_alone(path: Path) -> None:
    await run_sync(destroy_page, path, "projection_thread_messages_thread_id_created_at")
    async with open_runtime(path) as runtime:
        await runtime.dispatch(make.project_create("new"))
        threads = sorted({event.stream_id for event in LOG if event.aggregate_kind == "thread"})
        for number, beside in enumerate(threads):
            await runtime.dispatch(make.thread_create(f"{beside}-beside", project_id="new"))
            await runtime.dispatch(make.turn_start(f"{beside}-beside", f"new-{number}"))
        with pytest.raises(ProjectionStalled, match=r"projection\.thread-messages .*malformed"):
            await runtime.wait_until_projected(runtime.health().head)
        statuses = {one.name: one.status for one in runtime.health().projectors}
        assert {name for name, status in statuses.items() if status != "live"} == {MESSAGES}
        head = runtime.health().head
        assert (await runtime.dispatch(make.project_create("afterwards"))).sequence == head + 1


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("orchestration_events", "orchestration_events"),
        ("orchestration_events_event_id", "orchestration_events"),
        ("projection_thread_messages", "projection_thread_messages"),
    ],
)
def test_verify_names_the_table_and_advises_a_backup(path: Path, name: str, table: str) -> None:
    destroy_page(path, name)
    report = verify_database(path)
    assert {finding.check for finding in report.findings} == {"integrity"}
    assert f"table {table}" in [finding.where for finding in report.findings]
    assert report.repairable == ()
    assert "rows" in report.left_out


def test_verify_of_a_file_without_a_beginning_is_a_finding_too(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 3996 + content[4096:])
    (finding,) = verify_database(path).findings
    assert (finding.check, finding.where, finding.projector) == ("integrity", "file", None)
    assert "cannot be read: database disk image is malformed" in finding.fault


@pytest.mark.anyio
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
async def test_a_truncated_file_is_refused_and_a_backup_in_its_place_served(
    path: Path, sound: Path, share: float
) -> None:
    truncate(path, share)
    with pytest.raises((DatabaseCorrupt, ProjectionStalled), match="restore a backup"):
        await read_everything(path)
    assert (await run_sync(verify_database, path)).findings != ()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    await run_sync(copy_online, sound, path)
    assert await read_everything(path) == snapshot_json(LOG)


async def read_everything(path: Path) -> Any:
    """The snapshot, after the whole log was read."""
    async with open_runtime(path) as runtime:
        assert persisted([event async for event in runtime.replay_events(0)]) == LOG
        return to_json(await runtime.get_snapshot())


def copy_online(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
