"""Processes, their groups and their pipes, without a protocol."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import anyio
import pytest
from anyio import to_thread

from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.actors.providers.codex.provider import CODEX_ENVIRONMENT, CodexProvider
from orchestrion.actors.providers.process import interpreter
from orchestrion.actors.providers.process.agent_process import agent_process, end_process_group
from orchestrion.actors.providers.process.environment import INHERITED, agent_environment
from orchestrion.actors.providers.process.interpreter import find_python
from orchestrion.actors.providers.process.launch import Launch
from orchestrion.actors.providers.process.process_table import processes_of, start_time
from orchestrion.contracts.errors import ProviderUnavailable
from orchestrion.testing.conformance.reading import all_have_ended
from tests.support.git import Repository

SAFETY_NET_SECONDS = 180

STUBBORN = "import signal,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
PARENT = "import subprocess,sys; subprocess.Popen(['sleep','3600']); print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def leftover() -> Iterator[Callable[[str], ProcessIdentity]]:
    """Start a process as a crashed host would have left it: in its own group, running."""
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
                [sys.executable, "-c", program], workspace=tmp_path, launch=Launch(end_grace_seconds=0.2)
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
                [sys.executable, "-c", STUBBORN], workspace=tmp_path, launch=Launch(end_grace_seconds=0.1)
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
                [sys.executable, "-c", STUBBORN], workspace=tmp_path, launch=Launch(end_grace_seconds=0.1)
            ) as process:
                await process.stdout.receive()
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await process.end()
                assert await all_have_ended(process.identity)

    @pytest.mark.lesson("L58")
    async def test_l58_unmarked_daemon_ends_with_the_killer_of_its_guardian(self, tmp_path: Path) -> None:
        """The daemon has no environment, its own session and no living parent."""
        daemon = "(setsid env -i sh -c 'sh -c \"echo \\$\\$; exec sleep 3600\" & exit' & exit)"
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with agent_process(
                ["sh", "-c", f"{daemon}; read line; kill -9 $PPID; exec sleep 3600"],
                workspace=tmp_path,
                launch=Launch(end_grace_seconds=0.1),
            ) as process:
                stray = int(await process.stdout.receive())
                await process.stdin.send(b"go\n")
                await process.watch()
            assert start_time(stray) is None

    @pytest.mark.lesson("L60")
    async def test_l60_standard_error_is_kept_without_secrets_and_colours(self, tmp_path: Path) -> None:
        printed = "\\033[31mdenied\\033[0m for MY_API_KEY=hunter2\\n"
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with agent_process(
                ["sh", "-c", f"printf '{printed}' >&2; exit 1"], workspace=tmp_path, launch=Launch()
            ) as process:
                await process.watch()
            assert process.stderr_tail == "denied for MY_API_KEY=[secret]\n"

    @pytest.mark.lesson("L61")
    async def test_l61_reasons_why_a_program_cannot_start_differ(self, tmp_path: Path) -> None:
        (tmp_path / "my-agent").write_text("#!/bin/sh\n")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        workspace = anyio.Path(tmp_path / "file")
        await workspace.touch()
        for command, where, words in (
            (str(tmp_path / "my-agent"), tmp_path, "may not be executed"),
            ("my-agent", tmp_path, "may not be executed"),
            (str(tmp_path), tmp_path, "is a directory"),
            (str(tmp_path / "link"), tmp_path, "does not exist"),
            (str(tmp_path / "missing"), tmp_path, "was not found"),
            ("sh", tmp_path / "gone", "the directory does not exist"),
            ("sh", Path(workspace), "it is not a directory"),
        ):
            launch = Launch(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
            with pytest.raises(ProviderUnavailable, match=words):
                async with agent_process([command], workspace=where, launch=launch):
                    pytest.fail("the agent was started")


@pytest.mark.lesson("L59")
class TestInterpreter:
    def test_l59_an_application_is_never_started_as_the_interpreter(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        application = tmp_path / "application"
        application.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        application.chmod(0o755)
        for executable in (str(application), "", None):
            monkeypatch.setattr(sys, "executable", executable)
            assert subprocess.check_output([find_python(), "-c", "print('runs')"]) == b"runs\n"
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        monkeypatch.setattr(sys, "executable", str(application))
        assert subprocess.check_output([find_python(), "-c", "print('runs')"]) == b"runs\n"
        assert not (tmp_path / "started").exists()

    def test_l59_error_without_an_interpreter_names_the_candidates(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "python3"
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        with pytest.raises(ProviderUnavailable, match=rf"{broken}.* is not a Python interpreter, 3.9 or later"):
            find_python(broken)
        for name in ("executable", "_base_executable"):
            monkeypatch.setattr(sys, name, "")
        for name in ("exec_prefix", "base_exec_prefix"):
            monkeypatch.setattr(sys, name, str(tmp_path))
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        interpreter.forget_found()
        try:
            with pytest.raises(ProviderUnavailable, match=rf"tried: .*{broken}.*RuntimeOptions\(python="):
                find_python()
        finally:
            interpreter.forget_found()

    @pytest.mark.lesson("L192")
    @pytest.mark.parametrize("seconds", [20.0, 0.5], ids=["it ends", "it hangs"])
    def test_probe_of_an_interpreter_leaves_no_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
    ) -> None:
        monkeypatch.setattr(interpreter, "_TRIAL_SECONDS", seconds)
        wrapper = tmp_path / "python3"
        hangs = "wait" if seconds < 1 else "exit 1"
        wrapper.write_text(f"#!/bin/sh\nsleep 3600 &\necho $! > {tmp_path}/child\n{hangs}\n")
        wrapper.chmod(0o755)
        with pytest.raises(ProviderUnavailable):
            find_python(wrapper)
        child = int((tmp_path / "child").read_text())
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(child)
            assert select.select([pidfd], [], [], SAFETY_NET_SECONDS)[0], "the child was killed"
            os.close(pidfd)

    @pytest.mark.anyio
    async def test_l59_the_named_interpreter_runs_the_guardian(self, tmp_path: Path) -> None:
        mine = tmp_path / "mine"
        mine.write_text(f'#!/bin/sh\necho x >> {tmp_path}/runs\nexec {sys.executable} "$@"\n')
        mine.chmod(0o755)
        launch = Launch(python=str(mine), end_grace_seconds=0.1)
        async with agent_process(["true"], workspace=tmp_path, launch=launch) as process:
            await process.watch()
            assert process.exit_code == 0
        assert await anyio.Path(tmp_path / "runs").read_text() == "x\nx\n"  # a probe, and the guardian


@pytest.mark.lesson("L62")
class TestEnvironment:
    HOST: ClassVar = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "DATABASE_PASSWORD": "x",
        "OPENAI_API_KEY": "x",
        "GIT_DIR": "/other/.git",
        "GIT_INDEX_FILE": "/other/index",
        "GIT_AUTHOR_NAME": "a",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }

    def test_l62_secrets_of_the_host_and_the_view_of_its_git_do_not_pass(self) -> None:
        passed = set(self.HOST) - {"DATABASE_PASSWORD", "OPENAI_API_KEY", "GIT_DIR", "GIT_INDEX_FILE"}
        assert set(agent_environment(self.HOST, inherit=INHERITED)) == passed
        assert set(agent_environment(self.HOST, inherit=INHERITED, own=CODEX_ENVIRONMENT)) == passed | {
            "OPENAI_API_KEY"
        }
        assert set(agent_environment(self.HOST, inherit="all")) == set(self.HOST) - {"GIT_DIR", "GIT_INDEX_FILE"}

    def test_l62_names_and_patterns_select_what_passes(self) -> None:
        assert set(agent_environment(self.HOST, inherit=["PATH", "*_KEY"])) == {"PATH", "OPENAI_API_KEY"}
        with pytest.raises(ValueError, match="or 'all'"):
            CodexProvider(inherit_env="PATH")

    def test_l62_variables_that_git_calls_local_are_removed(self) -> None:
        listed = subprocess.check_output(["git", "rev-parse", "--local-env-vars"], text=True).split()
        left = agent_environment(dict.fromkeys(listed, "x"), inherit="all")
        assert set(left) <= {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"}

    def test_l62_values_set_or_removed_by_the_host_hold(self) -> None:
        env = {"LC_ALL": None, "NEW": "1", "GIT_DIR": "/mine", "NEVER_THERE": None}
        assert agent_environment(self.HOST, inherit=["PATH", "LC_*"], env=env) == {
            "PATH": "/bin",
            "NEW": "1",
            "GIT_DIR": "/mine",
        }

    def test_l62_frozen_host_passes_its_libraries_to_no_child(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bundled = {"LD_LIBRARY_PATH": "/app", "PYTHONHOME": "/app", "_PYI_ARCHIVE_FILE": "/app/a"}
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert agent_environment(bundled, inherit="all") == {}
        original = {**bundled, "LD_LIBRARY_PATH_ORIG": "/usr/lib"}
        assert agent_environment(original, inherit="all") == {"LD_LIBRARY_PATH": "/usr/lib"}

    @pytest.mark.anyio
    async def test_l62_an_agents_git_works_on_the_agents_workspace(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine, other = tmp_path / "mine", tmp_path / "other"
        for path in (mine, other):
            await to_thread.run_sync(Repository.init, path)
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
        async with agent_process(
            ["git", "rev-parse", "--show-toplevel"], workspace=mine, launch=Launch(end_grace_seconds=0.1)
        ) as process:
            assert (await process.stdout.receive()).decode().strip() == str(mine)
