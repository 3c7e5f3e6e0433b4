"""Processes, their groups and their pipes, without a protocol."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.actors.providers.agent_process import agent_process, end_process_group
from orchestrion.actors.providers.process_table import processes_of, start_time
from tests.support.provider_session import all_have_ended

SAFETY_NET_SECONDS = 30

STUBBORN = "import signal,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
PARENT = "import subprocess,sys; subprocess.Popen(['sleep','3600']); print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def leftover() -> Iterator[Callable[[str], ProcessIdentity]]:
    """Start a process as a dead host would have left it: a group of its own, up and running."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str) -> ProcessIdentity:
        popen = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(popen)
        assert popen.stdout is not None
        assert popen.stdout.readline() == b"up\n"
        return ProcessIdentity(pid=popen.pid, started_at=start_time(popen.pid))

    yield start
    for popen in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.communicate()


class TestRecovery:
    @pytest.mark.parametrize("program", [STUBBORN, PARENT])
    def test_a_leftover_group_is_ended(self, leftover: Callable[[str], ProcessIdentity], program: str) -> None:
        identity = leftover(program)
        assert end_process_group(identity, grace_seconds=0.2)
        assert processes_of(identity) == []
        assert not end_process_group(identity, grace_seconds=0.2)

    def test_a_process_with_another_start_time_is_left_alone(self, leftover: Callable[[str], ProcessIdentity]) -> None:
        identity = leftover(PARENT)
        assert identity.started_at is not None
        reused = ProcessIdentity(pid=identity.pid, started_at=identity.started_at - 1)
        assert not end_process_group(reused, grace_seconds=0.2)
        assert processes_of(identity)

    def test_a_process_whose_start_time_was_never_known_is_left_alone(
        self, leftover: Callable[[str], ProcessIdentity]
    ) -> None:
        identity = leftover(PARENT)
        assert not end_process_group(ProcessIdentity(pid=identity.pid, started_at=None), grace_seconds=0.2)
        assert processes_of(identity)


@pytest.mark.anyio
class TestAgentProcess:
    async def test_output_is_read_to_the_end_although_a_stray_holds_the_pipe(self, tmp_path: Path) -> None:
        program = "import subprocess; print(subprocess.Popen(['sleep', '3600'], start_new_session=True).pid)"
        output = b""
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with agent_process(
                [sys.executable, "-c", program], workspace=tmp_path, env=None, grace_seconds=0.2
            ) as process:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(process.watch)
                    async for chunk in process.stdout:
                        output += chunk
                assert process.exit_code == 0
        assert start_time(int(output)) is None

    async def test_a_second_end_waits_for_the_first(self, tmp_path: Path) -> None:
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with agent_process(
                [sys.executable, "-c", STUBBORN], workspace=tmp_path, env=None, grace_seconds=0.1
            ) as process:
                await process.stdout.receive()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(process.end)
                    await anyio.wait_all_tasks_blocked()
                    await process.end()
                    assert await all_have_ended(process.identity)
                assert process.exit_code == -signal.SIGKILL

    async def test_the_end_is_shielded_from_cancellation(self, tmp_path: Path) -> None:
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with agent_process(
                [sys.executable, "-c", STUBBORN], workspace=tmp_path, env=None, grace_seconds=0.1
            ) as process:
                await process.stdout.receive()
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await process.end()
                assert await all_have_ended(process.identity)
