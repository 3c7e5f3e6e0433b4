"""Running git: one way to start it, a clean environment, a deadline, typed errors.

No hook, file system monitor, prompt, pager, signature or background gc runs, and git takes no lock that it could do
without. The user's global configuration is read: it names the global ignore file and the directories that git may
trust. `git_environment.py` says which of the host's variables reach git, `git_program.py` which git is used.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import anyio
import attrs
from anyio.abc import ByteReceiveStream

from ....contracts.errors import OrchestrionError
from ....persistence.threads import start_in_thread
from ...served_time import served_deadline
from .child import Child, child_process
from .git_environment import git_environment

_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.fsync=objects,reference",
    "core.fsyncMethod=batch",
    f"core.hooksPath={os.devnull}",
    "core.logAllRefUpdates=false",
    "core.untrackedCache=false",
    "gc.auto=0",
    "i18n.commitEncoding=UTF-8",
    "maintenance.auto=false",
    "submodule.recurse=false",
)


_ERROR_BYTES: Final = 4096
_NO_VARIABLES: Final[Mapping[str, str]] = {}


class CaptureFailed(OrchestrionError):
    """Git could not read or record the workspace; `fault` is what it wrote. The workspace is as it was."""

    def __init__(self, action: str, directory: Path, fault: str) -> None:
        super().__init__(f"git {action} failed in {directory}: {fault}")
        self.action = action
        self.directory = directory
        self.fault = fault


@attrs.frozen(kw_only=True)
class GitResult:
    """What git wrote to its standard output, and how it exited."""

    code: int
    output: bytes
    errors: str


@attrs.frozen(kw_only=True)
class Git:
    """A git program with the directory, variables and settings it runs under; without a `umask`, under the host's."""

    program: str
    directory: Path
    variables: Mapping[str, str] = attrs.field(factory=dict)
    settings: tuple[str, ...] = ()
    umask: int | None = None

    async def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        codes: Collection[int] = (0,),
        variables: Mapping[str, str] | None = None,
    ) -> GitResult:
        """Run `git ARGUMENTS` to its end.

        Cancellation is passed on when the git process is gone.

        Raises:
            CaptureFailed: git could not be started, or exited with a code outside `codes`.
        """
        output = bytearray()
        errors = bytearray()
        async with self._started(arguments, stdin=stdin, variables=variables or {}) as process:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_drain, process.stderr, errors)
                await _drain(process.stdout, output)
            code = await process.wait()
        said = errors.decode("utf-8", "replace").strip()
        if code not in codes:
            raise self._failed(arguments, said or f"exit status {code}")
        return GitResult(code=code, output=bytes(output), errors=said)

    async def read(self, *arguments: str, limit: int) -> tuple[bytes, bool]:
        """The first `limit` bytes that `git ARGUMENTS` writes, and whether that is all; git is killed where it is not.

        Raises:
            CaptureFailed: git could not be started, or exited with an error.
        """
        output = bytearray()
        errors = bytearray()
        async with self._started(arguments) as process:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_drain, process.stderr, errors, _ERROR_BYTES)
                async for chunk in process.stdout:
                    output.extend(chunk)
                    if len(output) > limit:
                        process.kill()
                        break
            code = await process.wait()
        if code != 0 and len(output) <= limit:
            said = errors.decode("utf-8", "replace").strip()
            raise self._failed(arguments, said or f"exit status {code}")
        return bytes(output[:limit]), len(output) <= limit

    @asynccontextmanager
    async def _started(
        self, arguments: tuple[str, ...], *, stdin: bytes | None = None, variables: Mapping[str, str] = _NO_VARIABLES
    ) -> AsyncGenerator[Child]:
        """A git process, killed and waited for where the body does not see its end.

        Raises:
            CaptureFailed: git could not be started.
        """
        flags = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        async with AsyncExitStack() as stack:
            try:
                source: IO[bytes] | int = subprocess.DEVNULL
                if stdin is not None:
                    source = await start_in_thread(partial(_file_of, stdin), undo=_close)
                    stack.callback(source.close)
                process = await stack.enter_async_context(
                    child_process(
                        [self.program, *flags, *arguments],
                        stdin=source,
                        directory=self.directory,
                        environment=git_environment(os.environ) | dict(self.variables) | dict(variables),
                        umask=self.umask,
                    )
                )
            except OSError as fault:
                raise self._failed(arguments, str(fault)) from fault
            yield process

    def _failed(self, arguments: tuple[str, ...], fault: str) -> CaptureFailed:
        return CaptureFailed(arguments[0], self.directory, fault)


async def _drain(stream: ByteReceiveStream, into: bytearray, keep: int | None = None) -> None:
    """Read a stream to its end, and keep all of it, or so many bytes."""
    async for chunk in stream:
        into.extend(chunk if keep is None else chunk[: max(0, keep - len(into))])


@contextmanager
def deadline(action: str, directory: Path, seconds: float) -> Iterator[None]:
    """Ends what runs inside after `seconds` in which the event loop was served.

    Raises:
        CaptureFailed: the deadline passed.
    """
    try:
        with served_deadline(seconds):
            yield
    except TimeoutError as fault:
        raise CaptureFailed(action, directory, f"it did not finish within {seconds:g} s") from fault


def _close(file: IO[bytes]) -> None:
    file.close()


def _file_of(content: bytes) -> IO[bytes]:
    """A file to read from, so that git may stop reading without a broken pipe covering what it says."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the process that reads it outlives this function
    try:
        file.write(content)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
