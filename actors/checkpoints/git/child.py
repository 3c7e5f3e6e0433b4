"""A child process with pipes, started on a thread of the library's own.

anyio's own way to start one takes, under trio, a thread of the host's: a busy host would keep captures waiting.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Final

import anyio

from ....persistence.threads import start_in_thread
from ...pipes import PipeReceiveStream
from ...shields import shield

__all__ = ["Child", "child_process"]

_FIRST_POLL_SECONDS: Final = 0.0005
_LAST_POLL_SECONDS: Final = 0.02
_REAP_SECONDS: Final = 0.25


class Child:
    """A running child, leader of a session of its own. Its output is read to the end before `wait`."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout is not None
        assert popen.stderr is not None
        self.stdout = PipeReceiveStream(popen.stdout)
        self.stderr = PipeReceiveStream(popen.stderr)
        self._popen = popen

    async def wait(self) -> int:
        """Wait for its end; its exit code, or minus the signal that ended it."""
        pause = _FIRST_POLL_SECONDS
        while (code := self._popen.poll()) is None:
            await anyio.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)
        return code

    def kill(self) -> None:
        _kill(self._popen)

    def reap(self) -> None:
        """Take note of the end of one that was killed. Blocks for milliseconds, and only where `wait` was cut off."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_REAP_SECONDS)

    def close(self) -> None:
        self.stdout.close()
        self.stderr.close()


@asynccontextmanager
async def child_process(
    command: Sequence[str],
    *,
    stdin: IO[bytes] | int,
    directory: Path,
    environment: Mapping[str, str],
    umask: int | None = None,
) -> AsyncIterator[Child]:
    """Run a command; leaving kills it, and what it started in its session, and waits for its end.

    With `umask`, what it makes has no more permissions than that leaves; without, the host's says so.

    Raises:
        OSError: it could not be started.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
            umask=-1 if umask is None else umask,
        )

    child = Child(await start_in_thread(start, undo=_drop))
    try:
        yield child
    finally:
        try:
            child.kill()
            with shield():
                await child.wait()
        finally:
            child.close()
            child.reap()


def _drop(popen: subprocess.Popen[bytes]) -> None:
    _kill(popen)
    Child(popen).close()


def _kill(popen: subprocess.Popen[bytes]) -> None:
    if popen.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
