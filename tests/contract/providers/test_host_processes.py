"""Which processes recovery may end: those of a crashed host of this boot, never those of a running host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import orjson
import pytest
from anyio import to_thread

from orchestrion.actors.providers.process.orphans import end_orphan
from orchestrion.actors.providers.process.process_table import start_time
from orchestrion.persistence.host_process import HostProcess
from orchestrion.persistence.provider_runtime import ProviderRuntimeRow

IDLE = "import signal; print('up', flush=True); signal.pause()"


@contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.PIPE, start_new_session=True) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == b"up\n"
            yield started
        finally:
            started.kill()


def row_of(agent: subprocess.Popen[bytes], host: HostProcess) -> ProviderRuntimeRow:
    payload = {"pid": agent.pid, "startedAt": start_time(agent.pid), **host.as_payload()}
    text = orjson.dumps(payload).decode()
    return ProviderRuntimeRow("s1", "t1", "agent", "acp", None, "running", "2026-01-01T00:00:00.000Z", None, text)


def host_of(started: subprocess.Popen[bytes]) -> HostProcess:
    return attrs.evolve(HostProcess.current(), pid=started.pid, started_at=start_time(started.pid))


def test_process_is_distinguished_from_a_later_one_with_its_pid() -> None:
    current = HostProcess.current()
    assert HostProcess.of_payload(current.as_payload()) == current
    assert current.is_running()
    assert current.started_at is not None
    assert not attrs.evolve(current, started_at=current.started_at + 1).is_running()
    assert not attrs.evolve(current, boot_id="another boot").is_running()
    assert not attrs.evolve(current, host="elsewhere").is_running()
    assert HostProcess.of_payload({}) is None


@pytest.mark.anyio
@pytest.mark.lesson("L70")
async def test_an_agent_of_a_living_host_is_left_alone() -> None:
    with process() as host, process() as agent:
        row = await to_thread.run_sync(row_of, agent, await to_thread.run_sync(host_of, host))
        await end_orphan(row)
        assert agent.poll() is None


@pytest.mark.anyio
@pytest.mark.lesson("L70")
async def test_pids_of_another_boot_or_host_name_no_process() -> None:
    with process() as agent:
        dead = attrs.evolve(await to_thread.run_sync(HostProcess.current), pid=1 << 30)
        for host in (attrs.evolve(dead, boot_id="another"), attrs.evolve(dead, host="another")):
            await end_orphan(await to_thread.run_sync(row_of, agent, host))
            assert agent.poll() is None


@pytest.mark.anyio
async def test_an_agent_of_a_dead_host_is_ended() -> None:
    with process() as host:
        dead = await to_thread.run_sync(host_of, host)
    assert dead.pid != os.getpid()
    with process() as agent:
        await end_orphan(await to_thread.run_sync(row_of, agent, dead))
        assert await to_thread.run_sync(agent.wait) != 0
