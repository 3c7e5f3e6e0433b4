"""What the operating system knows of processes: start times, who lives in a process group, signals to a group.

A process group outlives its leader while a member lives, and the kernel does not give its number to a new process
until then. A zombie is a member that only waits to be reaped: it does not count as alive. Start times and members
come from `/proc`; where there is none, a start time is None and a group's zombies count as members.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from .adapter import ProcessIdentity

__all__ = ["end_process_group", "group_is_alive", "signal_group", "start_time"]

_PROC: Final = Path("/proc")
_POLL_SECONDS: Final = 0.01

# Positions in /proc/PID/stat behind the command's closing parenthesis, which is field 2; see proc_pid_stat(5).
_STATE: Final = 0
_GROUP: Final = 2
_START_TIME: Final = 19


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of `pid`, or None where there is no such process or no `/proc`."""
    fields = _stat(pid)
    return None if fields is None else int(fields[_START_TIME])


def group_is_alive(group: int) -> bool:
    """Whether a process of the group lives that is no zombie. Reads the whole process table: not for the loop."""
    try:
        os.killpg(group, 0)
        signalled = True
    except ProcessLookupError:
        return False
    except PermissionError:
        signalled = False
    if start_time(os.getpid()) is None:
        return signalled
    members = (_stat(int(name)) for name in os.listdir(_PROC) if name.isdecimal())
    return any(
        fields is not None and int(fields[_GROUP]) == group and fields[_STATE] not in (b"Z", b"X") for fields in members
    )


def signal_group(group: int, number: signal.Signals) -> None:
    """Signal every process of the group; one that is gone or not ours is no error."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_process_group(identity: ProcessIdentity, *, grace_seconds: float) -> bool:
    """End what a dead host left of an agent's group: SIGTERM, then SIGKILL after `grace_seconds`.

    True when the leader still lived and its group was signalled, False when there was nothing to end: the process is
    gone, or `identity.pid` belongs to another by now, or its start time was never known. Blocks until no process of
    the group lives, at most twice `grace_seconds`; call it in a thread.
    """
    if identity.started_at is None or start_time(identity.pid) != identity.started_at:
        return False
    if not group_is_alive(identity.pid):
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(identity.pid, number)
        deadline = time.monotonic() + grace_seconds
        while group_is_alive(identity.pid):
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        else:
            return True
    return True


def _stat(pid: int) -> list[bytes] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return text.rpartition(b")")[2].split()
