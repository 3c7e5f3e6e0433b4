"""Which agents are on this machine: the program, its version, and traces of a login. No model is called.

A version is asked for by starting the program, under a guardian as every agent is: at the deadline its processes are
ended. The variables that keep its updater and its telemetry off are set. Logins are looked for by names and files
alone; nothing of them is read.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio
import attrs

from ....contracts.errors import ProviderUnavailable
from ....persistence.threads import in_thread
from ..claude.program import find_claude
from ..codex.program import find_codex
from ..process.agent_process import AgentProcess, agent_process
from ..process.environment import agent_environment
from ..process.launch import Launch, program_path
from ..redaction import plain
from .entries import AgentEntry

__all__ = ["AgentPresence", "LoginTrace", "find_program", "login_trace", "probe_agents"]

LoginTrace: TypeAlias = Literal["found", "none", "unknown"]
"""`found`: a variable or a file of a login is there. `none`: there is none. `unknown`: it may be kept elsewhere."""

_VERSION: Final = re.compile(r"\d+(?:\.\d+)+(?:[-+.][0-9A-Za-z.-]+)?")
_AT_ONCE: Final = 4
_MAX_OUTPUT: Final = 16 * 1024


@attrs.frozen(kw_only=True)
class AgentPresence:
    """One agent on this machine. `path` is its program, None where it is not here, and then `fault` says so.

    `version` is None where it could not be told within the deadline, and `fault` has why.
    """

    name: str
    title: str
    protocol: str
    path: str | None
    version: str | None
    login: LoginTrace
    log_in_with: str
    install: str
    fault: str | None


async def probe_agents(
    entries: Iterable[AgentEntry], *, deadline_seconds: float = 20.0, host: Mapping[str, str] | None = None
) -> tuple[AgentPresence, ...]:
    """Look for these agents, four at a time; the answer is in their order. `host` replaces the environment.

    A program that does not print its version within `deadline_seconds` is ended.
    """
    variables = dict(os.environ if host is None else host)
    listed = tuple(entries)
    found: dict[str, AgentPresence] = {}
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def probe(entry: AgentEntry) -> None:
        async with limiter:
            found[entry.name] = await _probe(entry, variables, deadline_seconds)

    async with anyio.create_task_group() as tasks:
        for entry in listed:
            tasks.start_soon(probe, entry)
    return tuple(found[entry.name] for entry in listed)


def find_program(entry: AgentEntry, variables: Mapping[str, str]) -> str:
    """The path of the program that a provider of this agent starts.

    Raises:
        ProviderUnavailable: it is not here.
    """
    match entry.protocol:
        case "codex":
            found = find_codex()
        case "claude":
            found = find_claude(variables)
        case "acp":
            return program_path(entry.command[0], variables, install=entry.install.command)
    if found is None:
        raise ProviderUnavailable(f"{entry.title} is not installed: {entry.install.command}")
    return str(found)


def login_trace(entry: AgentEntry, variables: Mapping[str, str]) -> LoginTrace:
    """Whether a variable or a file tells of a login."""
    named = any(variables.get(name) for name in entry.login.variables)
    if named or any(_exists(file, variables) for file in entry.login.files):
        return "found"
    return "unknown" if entry.login.is_elsewhere else "none"


async def _probe(entry: AgentEntry, variables: Mapping[str, str], deadline_seconds: float) -> AgentPresence:
    path: str | None = None
    version: str | None = None
    fault: str | None = None
    try:
        path = await in_thread(partial(find_program, entry, variables))
        version = await _version(path, entry, variables, deadline_seconds)
    except ProviderUnavailable as error:
        fault = str(error)
    except TimeoutError:
        fault = f"it did not print its version within {deadline_seconds:g} s"
    else:
        fault = None if version else "it printed no version"
    return AgentPresence(
        name=entry.name,
        title=entry.title,
        protocol=entry.protocol,
        path=path,
        version=version,
        login=await in_thread(partial(login_trace, entry, variables)),
        log_in_with=entry.login.command,
        install=entry.install.command,
        fault=fault,
    )


async def _version(path: str, entry: AgentEntry, variables: Mapping[str, str], deadline_seconds: float) -> str | None:
    """What the program prints when it is asked, or the first part of it that looks like a version.

    Raises:
        ProviderUnavailable: it cannot be started.
        TimeoutError: it did not end in time.
    """
    passed = agent_environment(variables, inherit="all", env={**entry.quiet, "CI": "1"})
    launch = Launch(env=passed, inherit_env=(), end_grace_seconds=0.2)
    printed: bytes | None = None
    with tempfile.TemporaryDirectory(prefix="orchestrion-probe-") as directory:
        async with (
            agent_process([path, *entry.version], workspace=Path(directory), launch=launch) as process,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(process.watch)
            process.stdin.close()
            with anyio.move_on_after(deadline_seconds):
                printed = await _output(process)
            tasks.cancel_scope.cancel()
    if printed is None:
        raise TimeoutError
    named = _VERSION.search(plain(printed.decode(errors="replace"), max_bytes=_MAX_OUTPUT))
    return named[0] if named else None


async def _output(process: AgentProcess) -> bytes:
    """What a process writes to standard output until it closes it, or until it is too much."""
    printed = b""
    with suppress(anyio.EndOfStream):
        while len(printed) < _MAX_OUTPUT:
            printed += await process.stdout.receive()
    return printed


def _exists(file: str, variables: Mapping[str, str]) -> bool:
    """Whether a file of a login is there; it is below a directory that `~` or a variable names."""
    first, _, rest = file.partition("/")
    base = variables.get("HOME", "") if first == "~" else variables.get(first.removeprefix("$"), "")
    return bool(base) and Path(base, rest).is_file()
