"""An agent without its own process: no process is recorded, shown or ended for it, least of all the host's."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.actors.providers.process.process_table import end_process_group, start_time
from tests.support.inside_provider import InsideProvider
from tests.support.stage import session_of, stage

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L37")]

HOST = ProcessIdentity(pid=os.getpid(), started_at=start_time(os.getpid()))


@pytest.mark.parametrize("process", [None, HOST], ids=["none", "the host's own"])
async def test_agent_without_a_process_records_none(tmp_path: Path, process: ProcessIdentity | None) -> None:
    provider = InsideProvider(process=process)
    async with stage(tmp_path, providers=[provider]) as it:
        assert session_of(await it.perform("one")).status == "ready"
        (health,) = it.runtime.health().sessions
        assert (health.provider_name, health.pid) == ("inside", None)
        (row,) = await it.runtime_rows()
        assert "pid" not in orjson.loads(row.runtime_payload_json or "{}")
    async with stage(tmp_path, providers=[provider]) as again:
        assert session_of(await again.perform("two")).status == "ready"
        assert provider.requests[-1].resume_cursor == {"turns": 1}


def test_recovery_never_ends_its_own_host() -> None:
    assert not end_process_group(HOST, grace_seconds=0.0)
