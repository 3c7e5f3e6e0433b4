"""Which process of which host something belongs to, so that a pid that was reused is not taken for it.

A pid alone proves nothing: pids are reused, a restart begins to count again, and a database may have been copied from
another host. A start time and the boot it is counted from tell processes of one host apart. Where there is no `/proc`
they are None, and the pid and the name of the host are all that is compared.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import attrs

_PROC: Final = Path("/proc")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MACHINE_IDS: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))

# Position in /proc/PID/stat behind the command's closing parenthesis, which is field 2; see proc_pid_stat(5).
_START_TIME: Final = 19


@attrs.frozen(kw_only=True)
class HostProcess:
    """A process of a host. `started_at` counts clock ticks since the boot that `boot_id` names."""

    host: str
    pid: int
    started_at: int | None = None
    boot_id: str | None = None

    @classmethod
    def current(cls) -> Self:
        """This process. Reads `/proc`: not for the event loop."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), pid=pid, started_at=start_time(pid), boot_id=boot_id())

    @classmethod
    def of_payload(cls, payload: Mapping[str, Any]) -> Self | None:
        """The process that `as_payload` recorded; None where it was not recorded."""
        host, pid, started_at, boot = (payload.get(name) for name in ("host", "hostPid", "hostStartedAt", "bootId"))
        if not isinstance(host, str) or not isinstance(pid, int):
            return None
        return cls(
            host=host,
            pid=pid,
            started_at=started_at if isinstance(started_at, int) else None,
            boot_id=boot if isinstance(boot, str) else None,
        )

    def as_payload(self) -> dict[str, str | int | None]:
        """The process as fields of a runtime row's payload."""
        return {"host": self.host, "hostPid": self.pid, "hostStartedAt": self.started_at, "bootId": self.boot_id}

    def is_from_this_boot(self) -> bool:
        """Whether its pids mean anything here and now: same host, and no restart since."""
        if self.host != socket.gethostname():
            return False
        present = boot_id()
        return self.boot_id is None or present is None or self.boot_id == present

    def is_running(self) -> bool:
        """Whether the process runs on this host. Reads `/proc`: not for the event loop."""
        if not self.is_from_this_boot() or not lives(self.pid):
            return False
        present = start_time(self.pid)
        return self.started_at is None or present is None or self.started_at == present


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of `pid`, or None where there is no such process or no `/proc`."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return int(text.rpartition(b")")[2].split()[_START_TIME])


def boot_id() -> str | None:
    """What names the present boot of this host; None where nothing does."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    return None


def machine_id() -> str | None:
    """What names this installation of the operating system; None where nothing does."""
    for path in _MACHINE_IDS:
        with suppress(OSError, UnicodeError):
            if found := path.read_text(encoding="ascii").strip():
                return found
    return None


def lives(pid: int) -> bool:
    """Whether a process of this host has this id."""
    if sys.platform == "win32":
        return True  # there, signal 0 ends the process it asks about
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
