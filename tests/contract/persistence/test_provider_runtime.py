"""Rows of agent runs: written, ended with their cursors kept, and deleted when a conversation is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from orchestrion.contracts.ids import ProviderSessionId, ThreadId
from orchestrion.contracts.values import SessionRuntimeStatus
from orchestrion.persistence.database import prepare
from orchestrion.persistence.provider_runtime import (
    ProviderRuntimeRow,
    drop_cursors,
    find_provider_runtime,
    put_provider_runtime,
    read_live_runtimes,
    read_runtimes,
    set_runtime_status,
)
from tests.support.builders import at

pytestmark = pytest.mark.spec("W4")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    opened = prepare(tmp_path / "state.db", at(0))
    yield opened
    opened.close()


def life(session: str, *, thread: str = "t1", status: SessionRuntimeStatus = "running") -> ProviderRuntimeRow:
    return ProviderRuntimeRow(
        provider_session_id=session,
        thread_id=thread,
        provider_name="scripted",
        adapter_key="acp",
        provider_thread_id="agent-thread",
        status=status,
        last_seen_at=at(0),
        resume_cursor_json='{"cursor":1}',
        runtime_payload_json='{"pid":7}',
    )


def test_agent_run_is_found_by_its_session_and_replaced(database: peewee.SqliteDatabase) -> None:
    put_provider_runtime(database, life("s1", status="starting")._replace(provider_thread_id=None))
    put_provider_runtime(database, life("s2"))
    changed = life("s1")._replace(last_seen_at=at(5), resume_cursor_json="{}", runtime_payload_json=None)
    put_provider_runtime(database, changed)
    assert find_provider_runtime(database, ProviderSessionId("s1")) == changed
    assert find_provider_runtime(database, ProviderSessionId("s3")) is None
    assert read_runtimes(database) == [changed, life("s2")]


def test_an_ended_life_keeps_its_cursor_and_is_live_no_more(database: peewee.SqliteDatabase) -> None:
    statuses: tuple[SessionRuntimeStatus, ...] = ("starting", "running", "stopped", "error")
    lives = [life(f"s-{status}", status=status) for status in statuses]
    for one in lives:
        put_provider_runtime(database, one)
    assert read_live_runtimes(database) == lives[:2]
    set_runtime_status(database, ProviderSessionId("s-running"), "stopped", at(9))
    assert read_live_runtimes(database) == lives[:1]
    assert find_provider_runtime(database, ProviderSessionId("s-running")) == lives[1]._replace(
        status="stopped", last_seen_at=at(9)
    )


def test_dropping_cursors_concerns_one_thread(database: peewee.SqliteDatabase) -> None:
    for one in (life("s1"), life("s2", status="stopped"), life("s3", thread="t2")):
        put_provider_runtime(database, one)
    drop_cursors(database, ThreadId("t1"))
    assert [row.resume_cursor_json for row in read_runtimes(database)] == [None, None, '{"cursor":1}']
