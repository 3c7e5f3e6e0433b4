"""Which git program is used: the first on the search path, if it is new enough. Each program is asked once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

from ....contracts.errors import OrchestrionError
from ....persistence.threads import in_thread
from .git import CaptureFailed
from .git_environment import git_environment

MINIMUM_GIT: Final = (2, 31)
"""The first version that prints absolute paths on request and takes configuration from `GIT_CONFIG_COUNT`."""

_SECONDS: Final = 30.0
_VERSION: Final = re.compile(r"git version (\d+)\.(\d+)")
_MOST_PROGRAMS: Final = 16

_versions: dict[tuple[str, int, int], str] = {}
"""What each program said, by its path, size and time of change. A program that is replaced is asked again."""


class GitUnavailable(OrchestrionError):
    """There is no git program that can be used on the search path. Install one, or do without checkpoints."""

    def __init__(self, search_path: str, fault: str | None = None) -> None:
        super().__init__(fault or f"no git program in {search_path!r}: install git to have checkpoints")
        self.search_path = search_path


class GitTooOld(CaptureFailed):
    """The git program is older than `MINIMUM_GIT`. Install a newer one to have checkpoints."""

    def __init__(self, program: str, version: str) -> None:
        least = ".".join(str(number) for number in MINIMUM_GIT)
        fault = f"{program} is git {version}: checkpoints need git {least} or later"
        super().__init__("--version", Path(program).parent, fault)
        self.program = program
        self.version = version


async def find_git(search_path: str | None = None) -> str:
    """The git program on `search_path`, by default the host's `PATH`.

    Raises:
        GitUnavailable: there is none, or it does not say its version.
        GitTooOld: it is older than `MINIMUM_GIT`.
    """
    directories = search_path if search_path is not None else os.environ.get("PATH", os.defpath)
    program = await in_thread(partial(shutil.which, "git", path=directories))
    if program is None:
        raise GitUnavailable(directories)
    text = await _version_of(program, directories)
    found = _VERSION.match(text)
    if found is None:
        raise GitUnavailable(directories, f"{program} does not say its version, but {text[:200]!r}")
    if (int(found[1]), int(found[2])) < MINIMUM_GIT:
        raise GitTooOld(program, text.removeprefix("git version ").strip())
    return program


async def _version_of(program: str, directories: str) -> str:
    try:
        return await in_thread(_ask, program)
    except (OSError, subprocess.SubprocessError) as fault:
        raise GitUnavailable(directories, f"{program} cannot be used: {fault}") from fault


def _ask(program: str) -> str:
    facts = os.stat(program)
    key = (program, facts.st_size, facts.st_mtime_ns)
    if key not in _versions:
        command = [program, "--version"]
        environment = git_environment(os.environ)
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_SECONDS
        )
        if len(_versions) >= _MOST_PROGRAMS:
            _versions.clear()
        _versions[key] = done.stdout.decode("utf-8", "replace").strip()
    return _versions[key]
