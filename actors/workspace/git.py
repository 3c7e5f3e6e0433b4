"""Running git: one door, a clean environment, a deadline, typed errors.

The host's `GIT_*` variables do not reach git (a host may itself run inside a hook), except those that say where git
and its configuration are. No hook, file system monitor, prompt, pager, signature or background gc runs, and git takes
no lock that it could do without. The user's global configuration is read: it names the global ignore file and the
directories that git may trust.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import anyio
import attrs
from anyio.abc import ByteReceiveStream, Process

from ...persistence.threads import in_thread
from ...runtime.contracts.errors import OrchestrionError

_KEPT_VARIABLES: Final = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)

_VARIABLES: Final = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

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


class GitUnavailable(OrchestrionError):
    """There is no git program on the search path. Install git, or do without checkpoints."""

    def __init__(self, search_path: str) -> None:
        super().__init__(f"no git program in {search_path!r}: install git to have checkpoints")
        self.search_path = search_path


class CaptureFailed(OrchestrionError):
    """Git could not read or record the workspace; `fault` is what it wrote. The workspace is as it was."""

    def __init__(self, action: str, directory: Path, fault: str) -> None:
        super().__init__(f"git {action} failed in {directory}: {fault}")
        self.action = action
        self.directory = directory
        self.fault = fault


@attrs.frozen(kw_only=True)
class Answer:
    """What git wrote to its standard output, and how it exited."""

    code: int
    output: bytes
    errors: str


@attrs.frozen(kw_only=True)
class Git:
    """A git program with the directory, variables and settings it runs under."""

    program: str
    directory: Path
    variables: Mapping[str, str] = attrs.field(factory=dict)
    settings: tuple[str, ...] = ()

    async def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        codes: Collection[int] = (0,),
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
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
        return Answer(code=code, output=bytes(output), errors=said)

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
                assert process.stdout is not None
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
    ) -> AsyncGenerator[Process]:
        """A git process, killed and waited for where the body does not see its end.

        The start is shielded: asyncio kills a process whose start is cancelled and waits for it only until it is
        cancelled again, which anyio does at once.

        Raises:
            CaptureFailed: git could not be started.
        """
        flags = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        source = None
        try:
            with anyio.CancelScope(shield=True):
                source = None if stdin is None else await in_thread(_file_of, stdin)
                process = await anyio.open_process(
                    [self.program, *flags, *arguments],
                    stdin=subprocess.DEVNULL if source is None else source,
                    cwd=self.directory,
                    env=_environment() | dict(self.variables) | dict(variables),
                    start_new_session=True,
                )
        except OSError as fault:
            raise self._failed(arguments, str(fault)) from fault
        finally:
            if source is not None:
                source.close()
        async with process:
            yield process

    def _failed(self, arguments: tuple[str, ...], fault: str) -> CaptureFailed:
        return CaptureFailed(arguments[0], self.directory, fault)


async def find_git(search_path: str | None = None) -> str:
    """The git program on `search_path`, by default the host's `PATH`.

    Raises:
        GitUnavailable: there is none.
    """
    directories = search_path if search_path is not None else os.environ.get("PATH", os.defpath)
    program = await in_thread(partial(shutil.which, "git", path=directories))
    if program is None:
        raise GitUnavailable(directories)
    return program


async def _drain(stream: ByteReceiveStream | None, into: bytearray, keep: int | None = None) -> None:
    """Read a stream to its end, and keep all of it, or so many bytes."""
    assert stream is not None
    async for chunk in stream:
        into.extend(chunk if keep is None else chunk[: max(0, keep - len(into))])


@contextmanager
def deadline(action: str, directory: Path, seconds: float) -> Iterator[None]:
    """Ends what runs inside after `seconds`.

    Raises:
        CaptureFailed: the deadline passed.
    """
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as fault:
        raise CaptureFailed(action, directory, f"it did not finish within {seconds:g} s") from fault


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


def _environment() -> dict[str, str]:
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.upper().startswith("GIT_") or name.upper() in _KEPT_VARIABLES
    }
    return inherited | _VARIABLES
