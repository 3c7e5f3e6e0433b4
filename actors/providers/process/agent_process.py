"""An agent's process: its start under a guardian of its own, its pipes, its end.

The host starts the guardian, which starts the agent and ends only after every process of the agent; its exit code is
the agent's. The host asks it to end with SIGTERM, and kills the rest only if it does not react. When the host is gone,
the guardian's lifeline is closed, and the guardian ends every process itself.

Standard error is drained continuously and its last 8 KiB are kept, without secrets and control characters. The task
`watch` does this and notices the guardian's end. However the agent ends, all output of its processes can be read.
When `agent_process` is left, no process of the agent and no pipe is left.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

import anyio

from ....contracts.errors import ProviderUnavailable
from ....persistence.threads import in_thread, start_in_thread
from ...pipes import PipeReceiveStream, PipeSendStream
from ...shields import shield
from ..adapter import ProcessIdentity
from ..redaction import MAX_ERROR_BYTES, end_of, without_secrets
from .guarded_command import guarded_command
from .guardian import SHARED
from .interpreter import find_python
from .launch import Launch, program_path
from .process_table import end_process_group, kill_processes, start_time

__all__ = ["AgentProcess", "agent_process", "end_process_group"]

STDERR_TAIL_BYTES: Final = MAX_ERROR_BYTES

_KEPT_BYTES: Final = 2 * STDERR_TAIL_BYTES
"""How much raw standard error is kept, so that a secret at its front is not cut in half before it is redacted."""
_FIRST_POLL_SECONDS: Final = 0.001
_LAST_POLL_SECONDS: Final = 0.05
_GUARDIAN_SECONDS: Final = 2.0
"""How long a guardian may take beyond the agent's grace before it is killed itself."""
_KILL_SECONDS: Final = 0.25
"""How long to wait for the end of an agent that is killed at once."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def agent_process(command: Sequence[str], *, workspace: Path, launch: Launch) -> AsyncGenerator[AgentProcess]:
    """Start `command` in `workspace` with the settings of `launch`; leaving ends every process that it started.

    Raises:
        ProviderUnavailable: the program, the workspace or an interpreter for the guardian is missing, or the system
            refused to start it.
    """
    started = await start_in_thread(lambda: _start(tuple(command), workspace, launch), undo=_Started.kill)
    process = AgentProcess(started, program=command[0], grace_seconds=launch.end_grace_seconds, secrets=launch.secrets)
    try:
        yield process
    finally:
        try:
            await process.end()
        finally:
            process.release()


class AgentProcess:
    """An agent under its guardian. Any task may call its methods; `watch` runs in one task of the owner."""

    def __init__(self, started: _Started, *, program: str, grace_seconds: float, secrets: tuple[str, ...] = ()) -> None:
        self.program = program
        self.identity = started.identity
        self.stdin = PipeSendStream(started.stdin)
        self.stdout = PipeReceiveStream(started.stdout)
        self.stderr = PipeReceiveStream(started.stderr)
        self._started = started
        self._popen = started.popen
        self._grace_seconds = grace_seconds
        self._secrets = secrets
        self._ending = anyio.Lock()
        self._ended = False
        self._tail = b""
        self._cut = False
        self._drained = anyio.Event()

    @property
    def exit_code(self) -> int | None:
        """The agent's exit code, or minus the signal that killed it; None while a process of the agent is running."""
        return self._popen.poll()

    @property
    def stderr_tail(self) -> str:
        """The end of standard error: readable, redacted, at most 8 KiB."""
        return without_secrets(end_of(self._tail, is_whole=not self._cut), self._secrets)

    async def watch(self) -> None:
        """Drain standard error, and end remaining processes when the guardian has ended. Returns after both."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._drain_stderr)
            await self._wait_guardian_exit()
            await self.end()

    async def wait_stderr_drained(self) -> None:
        """Wait until `stderr_tail` is final: until the agent has ended or closed the pipe, while `watch` runs."""
        await self._drained.wait()

    async def end(self) -> None:
        """Close its input, send SIGTERM, then SIGKILL, with a wait of at most the grace in between.

        Shielded from cancellation. Returns when no process of the agent is left; a second call waits for the first.
        """
        with shield():
            async with self._ending:
                if self._ended:
                    return
                self.stdin.close()
                if not await self._wait_gone(self._grace_seconds):
                    self._popen.terminate()
                    await self._wait_gone(self._grace_seconds + _GUARDIAN_SECONDS)
                await in_thread(self._sweep)
                self._ended = True
                self.stdout.writers_gone()
                self.stderr.writers_gone()

    def release(self) -> None:
        """Close the pipes. If `end` was not completed, kill the processes at once, which blocks for milliseconds."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()
        if self._ended:
            os.close(self._started.lifeline)
        else:
            self._started.kill()

    def _sweep(self) -> None:
        """End the processes of a guardian that was killed or does not react.

        One of its two processes may still work, and it finds more processes than the process table shows: so it gets
        SIGTERM before SIGKILL.
        """
        end_process_group(self.identity, grace_seconds=self._grace_seconds + _GUARDIAN_SECONDS)
        left = kill_processes(self.identity, deadline_seconds=_GUARDIAN_SECONDS)
        if left:
            _log.error("processes %s of %s survived SIGKILL", left, self.program)
        else:
            self._popen.wait()

    async def _wait_gone(self, deadline_seconds: float) -> bool:
        """Whether the guardian is reaped within the deadline."""
        pause = _FIRST_POLL_SECONDS
        deadline = anyio.current_time() + deadline_seconds
        while self._popen.poll() is None:
            if anyio.current_time() >= deadline:
                return False
            await anyio.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)
        return True

    async def _wait_guardian_exit(self) -> None:
        if self._popen.poll() is not None:
            return
        try:
            descriptor = os.pidfd_open(self.identity.pid)
        except (AttributeError, OSError):
            while self._popen.poll() is None:  # noqa: ASYNC110 - without a pidfd no event reports an exit
                await anyio.sleep(_LAST_POLL_SECONDS)
            return
        try:
            await anyio.wait_readable(descriptor)
        finally:
            os.close(descriptor)

    async def _drain_stderr(self) -> None:
        while True:
            try:
                chunk = await self.stderr.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                self._drained.set()
                return
            self._tail += chunk
            self._cut = self._cut or len(self._tail) > _KEPT_BYTES
            self._tail = self._tail[-_KEPT_BYTES:]


class _Started:
    """A guardian with its four pipes, and its identity, read before it can be reaped."""

    def __init__(self, popen: subprocess.Popen[bytes], lifeline: int) -> None:
        assert popen.stdin is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        self.popen = popen
        self.lifeline = lifeline
        self.stdin: IO[bytes] = popen.stdin
        self.stdout: IO[bytes] = popen.stdout
        self.stderr: IO[bytes] = popen.stderr
        self.identity = ProcessIdentity(pid=popen.pid, started_at=start_time(popen.pid))

    def kill(self) -> None:
        """Kill every process that was started. The guardian, whose lifeline is closed, ends any that this misses."""
        left = kill_processes(self.identity, deadline_seconds=_KILL_SECONDS)
        if left:
            _log.error("processes %s survived SIGKILL", left)
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()
        os.close(self.lifeline)
        self.popen.poll()


def _start(command: tuple[str, ...], workspace: Path, launch: Launch) -> _Started:
    env = launch.environment()
    program = program_path(command[0], env, install=launch.install)
    if not workspace.is_dir():
        what = "it is not a directory" if workspace.exists() else "the directory does not exist"
        raise ProviderUnavailable(
            f"{command[0]!r} cannot start in the workspace {workspace}: {what}; restore it, or give the thread another",
            reason="workspace",
        )
    python = find_python(launch.python)
    if launch.shared_programs:
        env[SHARED] = "\n".join(launch.shared_programs)
    guarded, host = os.pipe()
    try:
        guardian = guarded_command(
            [program, *command[1:]], grace_seconds=launch.end_grace_seconds, lifeline=guarded, python=python
        )
        popen = subprocess.Popen(
            guardian,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=workspace,
            env=env,
            pass_fds=(guarded,),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(host)
        raise ProviderUnavailable(f"the program {command[0]!r} could not be started: {error}") from error
    finally:
        os.close(guarded)
    return _Started(popen, host)
