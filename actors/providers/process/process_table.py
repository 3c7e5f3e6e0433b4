"""An agent's processes in the process table: which of them are running, and how they are ended.

An agent's processes are its guardian, the guardian's descendants and group, and processes with its mark in their
environment: those were started by one of them and have lost their parents. Zombies, which only wait to be reaped, do
not count, and neither do shared processes (see `guardian`). Start times, members and marks come from `/proc`; without
it, a start time is None and only the guardian's group is found.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from ....persistence.host_process import start_time
from ..adapter import ProcessIdentity
from .guardian import MARK, SHARED, descendants, is_shared, living_processes

__all__ = ["commands_of", "end_process_group", "kill_processes", "processes_of", "start_time"]

_PROC: Final = Path("/proc")
_POLL_SECONDS: Final = 0.01


def processes_of(identity: ProcessIdentity) -> list[int]:
    """The pids of an agent's running processes. Reads the whole process table: not for the event loop.

    A later process with the guardian's pid does not count, nor do its group and descendants. Without `/proc` the
    result is the group's negative id, which `os.kill` accepts for the whole group.
    """
    table = living_processes()
    if table is None:
        return _group_without_proc(identity.pid)
    found: set[int] = set()
    if start_time(identity.pid) == identity.started_at:
        shared = _shared_of(_environment(identity.pid))
        group = {pid for pid, _, group in table if group == identity.pid}
        found.update(group)
        found.update(descendants(identity.pid, table, shared=shared, never_shared=group))
    mark = f"{MARK}={identity.pid}.{identity.started_at}".encode()
    environments = {pid: _environment(pid) for pid, _, _ in table if pid not in found}
    marked = {pid for pid, environment in environments.items() if mark in environment}
    for pid in [one for one in marked if is_shared(one, _shared_of(environments[one]))]:
        marked -= {pid, *descendants(pid, table)}
    return sorted(found | marked)


def commands_of(identity: ProcessIdentity) -> list[int]:
    """The pids of the commands that an agent runs: its processes in sessions other than its own.

    Agents start a command in a session of its own, and their helper processes in their own session. Reads the whole
    process table: not for the event loop. Empty without `/proc`.
    """
    return [pid for pid in processes_of(identity) if pid > 0 and _session_of(pid) not in (None, identity.pid)]


def kill_processes(identity: ProcessIdentity, *, deadline_seconds: float) -> list[int]:
    """Send SIGKILL to every process of an agent until none is left; returns those that are left after the deadline.

    Blocks; call it in a thread.
    """
    return _signal_until_gone(identity, signal.SIGKILL, deadline_seconds)


def end_process_group(identity: ProcessIdentity, *, grace_seconds: float) -> bool:
    """End the processes of an agent whose host is dead: SIGTERM, then SIGKILL after `grace_seconds`.

    Returns whether there were any. False also if `identity.pid` belongs to a later process or to this one, or if its
    start time is unknown. Blocks until no process of the agent is left, at most twice `grace_seconds`; call it in a
    thread.
    """
    if identity.started_at is None or identity.pid == os.getpid() or not processes_of(identity):
        return False
    if _signal_until_gone(identity, signal.SIGTERM, grace_seconds):
        kill_processes(identity, deadline_seconds=grace_seconds)
    return True


def _signal_until_gone(identity: ProcessIdentity, number: signal.Signals, deadline_seconds: float) -> list[int]:
    deadline = time.monotonic() + deadline_seconds
    signalled: set[int] = set()
    while left := processes_of(identity):
        for pid in left:
            if pid not in signalled:
                signalled.add(pid)
                _signal(pid, number)
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    return left


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _group_without_proc(group: int) -> list[int]:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass
    return [-group]


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def _shared_of(environment: list[bytes]) -> tuple[str, ...]:
    prefix = f"{SHARED}=".encode()
    named = next((one.removeprefix(prefix) for one in environment if one.startswith(prefix)), b"")
    return tuple(filter(None, named.decode("utf-8", "replace").split("\n")))
