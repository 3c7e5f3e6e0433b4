"""A message that outgrows SQLite's limit for one value: its own text is cut, and nothing else is affected."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.values import Unset
from orchestrion.persistence.verify import verify_database
from orchestrion.runtime.host import open_runtime
from tests.support.builders import assistant_delta, project_create, thread_create, thread_meta_update

pytestmark = pytest.mark.anyio

LARGEST_VALUE: Final = 14_000_000
PIECE: Final = "x" * 4_000_000


@pytest.fixture(autouse=True)
def _small_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's default limit for a value is 1,000,000,000 bytes; it is lower here so that the test is quick."""
    connect = sqlite3.connect

    def limited(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        return connection

    monkeypatch.setattr(sqlite3, "connect", limited)


@pytest.mark.lesson("L45")
async def test_a_message_that_outgrows_sqlite_is_cut_and_hurts_no_other_thread(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with open_runtime(path) as runtime:
        await runtime.dispatch(project_create())
        for thread in ("t1", "t2"):
            await runtime.dispatch(thread_create(thread))
        for _ in range(5):
            await runtime.dispatch(assistant_delta("m", PIECE), actor="provider")
        await _serves(runtime, "before")
    async with open_runtime(path) as runtime:
        await _serves(runtime, "after")
        await runtime.rebuild()
        await _serves(runtime, "rebuilt")
    report = await anyio.to_thread.run_sync(verify_database, path)
    assert report.findings == ()


async def _serves(runtime: Any, title: str) -> None:
    await runtime.dispatch(thread_meta_update("t2", title=title))
    assert [thread.title for thread in (await runtime.get_snapshot()).threads][1] == title
    (other,) = (await runtime.get_snapshot(thread_id=ThreadId("t2"))).threads
    assert other.title == title
    (thread,) = (await runtime.get_snapshot(thread_id=ThreadId("t1"))).threads
    assert not isinstance(thread.messages, Unset)
    (message,) = thread.messages
    kept = message.text.count("x")
    assert message.text == "x" * kept + f"… [cut: {5 * len(PIECE) - kept} characters]"
    assert kept == 8 * 1024 * 1024
