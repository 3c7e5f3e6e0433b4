"""A guardian: the small program between a host and an agent that ends every process of the agent.

It consists of two processes, each of which notices the end of the other. The outer one is the host's child. It starts
the inner one, which starts the agent on its own standard streams: bytes pass between host and agent directly. The inner
process guards the agent to its end; if the inner process is killed or stopped, the outer one ends the rest. Both are
child subreapers: a process that loses its parents becomes a child of the inner process, then of the outer one, whatever
its session, group and environment.

A guardian ends when the agent has ended; when it receives SIGTERM; and when the host is gone, which it notices at once
by the end of a pipe (its lifeline), or else by a change of its parent. A parent-death signal of the host would not
work: it is sent when the thread that started the process ends.

To end the agent, SIGTERM goes to every process that is left, and SIGKILL after a grace (at most 0.5 seconds once the
host is gone), until none is left. Then the guardian exits like the agent, with its code or by its signal. Other signals
are forwarded to the agent.

Guarantee: if one of the two processes is killed or stopped at any moment, no process of the agent is left. If both are
killed at the same instant, the remaining processes are found by the mark in their environment (`MARK`), which a process
can remove from its own. Processes that a host declares as shared (`SHARED`, command lines with `*` and `?`) are not
ended, nor are those that they start: several agents use them, longer than the agent that started them.

Adoption and the mark need Linux and its `/proc`. Elsewhere the agent's process group is ended, and a process that left
the group is not.

This file runs as a program in a bare interpreter (`guarded_command.py`), so it is one file, imports only the standard
library, and as little of it as possible. It runs on Python 3.9.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["MARK", "SHARED", "descendants", "is_shared", "living_processes"]

MARK = "ORCHESTRION_GUARDIAN"
"""The environment variable of every process that a guardian started: the guardian's pid and start time, `PID.TICKS`."""

SHARED = "ORCHESTRION_SHARED"
"""The environment variable with the shared programs: command lines with `*` and `?`, one per line."""

_PROC = "/proc"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_WITHOUT_HOST_SECONDS = 0.5
_KILL_SECONDS = 5.0
_PARENT_POLL_SECONDS = 0.25
_INNER_SECONDS = 1.0
"""How long an inner guardian may take beyond the grace to end every process."""
_LAST_POLL_SECONDS = 0.05
_NOT_STARTED = 127

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_WATCHED = (*_PASSED_ON, signal.SIGTERM, signal.SIGCHLD)


def living_processes() -> list[tuple[int, int, int]] | None:
    """The pid, parent and group of every process that is not a zombie; None without `/proc`."""
    found = []
    try:
        names = os.listdir(_PROC)
    except FileNotFoundError:
        return None
    for name in names:
        fields = _stat(name) if name.isdecimal() else None
        if fields is not None and fields[0] not in (b"Z", b"X"):
            found.append((int(name), int(fields[1]), int(fields[2])))
    return found or None


def descendants(
    ancestor: int,
    processes: list[tuple[int, int, int]],
    *,
    shared: tuple[str, ...] = (),
    never_shared: Collection[int] = (),
) -> list[int]:
    """The pids of `processes` that descend from `ancestor`, without `shared` programs and their descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent, _ in processes:
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    generation = children.get(ancestor, [])
    while generation:
        if shared:
            generation = [pid for pid in generation if pid in never_shared or not is_shared(pid, shared)]
        found += generation
        generation = [pid for parent in generation for pid in children.get(parent, ())]
    return found


def is_shared(pid: int, shared: tuple[str, ...]) -> bool:
    """Whether one of these patterns matches the command line of a process."""
    if not shared:
        return False
    from fnmatch import fnmatchcase  # not for the many agents that share nothing

    try:
        with open(f"{_PROC}/{pid}/cmdline", "rb") as file:
            line = file.read().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return any(fnmatchcase(line, pattern) for pattern in shared)


class _Guardian:
    """Starts one child, waits for its end or for a request to end, and ends every descendant of this process."""

    def __init__(self, parent: int, lifeline: int, grace_seconds: float, *, notices_stops: bool = False) -> None:
        self._parent = parent
        self._wait_options = os.WNOHANG | (os.WUNTRACED if notices_stops else 0)
        self._shared = tuple(filter(None, os.environ.get(SHARED, "").split("\n")))
        self._grace_seconds = grace_seconds
        self._child = 0
        self._status: int | None = None
        self._host_gone = False
        self._asked = False
        self._child_stopped = False
        self._signals, wake = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._signals, select.POLLIN)
        self._lifeline = lifeline
        if lifeline >= 0:
            os.set_inheritable(lifeline, False)
            self._poll.register(lifeline, select.POLLIN)
        os.set_blocking(self._signals, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in _WATCHED:
            signal.signal(number, _note_signal)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a thread of the host may have blocked some signals
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def run_agent(self, command: list[str], mark: str) -> int:
        """The inner guardian: guard an agent to its end and return its wait status."""
        if mark:
            os.environ[MARK] = mark
        self._fork(lambda guardian: _exec_command(command, guardian), leads_group=True)
        self._wait_for_end()
        self._end_all(self._grace_seconds)
        return int(signal.SIGKILL) if self._status is None else self._status

    def run_inner(self, command: list[str]) -> int:
        """The outer guardian: guard the inner one to its end, end what it left, and return its wait status."""
        lifeline, grace = self._lifeline, self._grace_seconds
        fields = _stat("self")
        mark = "" if fields is None else f"{os.getpid()}.{int(fields[19])}"

        def guard(outer: int) -> None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() == outer:
                _exit_with_status(_Guardian(outer, lifeline, grace).run_agent(command, mark))

        self._fork(guard, leads_group=False)
        self._wait_for_end()
        if self._status is None and not self._child_stopped:
            _send(self._child, signal.SIGTERM)
            grace = min(grace, _GRACE_WITHOUT_HOST_SECONDS) if self._host_gone else grace
            deadline = time.monotonic() + grace + _INNER_SECONDS
            while self._status is None and not self._child_stopped and time.monotonic() < deadline:
                self._wait(_LAST_POLL_SECONDS)
                if self._host_gone:
                    deadline = min(deadline, time.monotonic() + _GRACE_WITHOUT_HOST_SECONDS + _INNER_SECONDS)
        if self._status is None:
            _send(self._child, signal.SIGKILL)
            grace = min(grace, _GRACE_WITHOUT_HOST_SECONDS)
        self._end_all(grace)
        return int(signal.SIGKILL) if self._status is None else self._status

    def _wait_for_end(self) -> None:
        while self._status is None and not self._asked and not self._host_gone and not self._child_stopped:
            self._wait(_PARENT_POLL_SECONDS)

    def _fork(self, become: Callable[[int], None], *, leads_group: bool) -> None:
        guardian = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._child = os.fork()
        if self._child == 0:
            try:
                become(guardian)
            finally:
                os._exit(_NOT_STARTED)
        if leads_group:
            _become_group_leader(self._child)  # parent and child both do so, since either may be first
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def _wait(self, seconds: float) -> None:
        """Wait for a signal, a child's end, the host's end or the deadline, and note which of them came."""
        ready = self._poll.poll(seconds * 1000)
        if any(descriptor == self._lifeline for descriptor, _ in ready):
            self._poll.unregister(self._lifeline)
            self._host_gone = True
        if os.getppid() != self._parent:
            self._host_gone = True
        try:
            numbers = os.read(self._signals, 4096)
        except BlockingIOError:
            numbers = b""
        for number in set(numbers):
            if number == signal.SIGTERM:
                self._asked = True
            elif number != signal.SIGCHLD and self._status is None:
                _send(self._child, number)
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, self._wait_options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                self._child_stopped = self._child_stopped or pid == self._child
            elif pid == self._child:
                self._status = status

    def _end_all(self, grace_seconds: float) -> None:
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, _KILL_SECONDS)):
            if self._end(number, seconds):
                return
        print("guardian: processes of the agent survived SIGKILL", file=sys.stderr)

    def _end(self, number: int, seconds: float) -> bool:
        """Send a signal to each remaining process once, and wait; returns whether none is left."""
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        pause = 0.001
        hurried = False
        while True:
            left = self._remaining_pids()
            self._reap()
            if not left:
                return True
            for pid in left:
                if pid not in signalled:
                    signalled.add(pid)
                    _send(pid, number)
            if self._host_gone and not hurried:
                hurried = True
                deadline = min(deadline, time.monotonic() + _GRACE_WITHOUT_HOST_SECONDS)
            if time.monotonic() >= deadline:
                return False
            self._wait(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)

    def _remaining_pids(self) -> list[int]:
        """The remaining processes as arguments of `os.kill`: pids, or the agent's group without `/proc`."""
        processes = living_processes()
        if processes is not None:
            return descendants(os.getpid(), processes, shared=self._shared, never_shared=(self._child,))
        try:
            os.killpg(self._child, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [-self._child]


def _exec_command(command: list[str], guardian: int) -> None:
    """Execute the agent's program in the child; print the error if that fails."""
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_DFL)
            except OSError:
                continue  # one that the threads library reserves
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _become_group_leader(0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guardian:
            os.execvp(command[0], command)
    except OSError as error:
        print(f"the program {command[0]!r} could not be started: {error}", file=sys.stderr, flush=True)


def _note_signal(_number: int, _frame: object) -> None:
    """A handler so that the signal's number is written to the wake-up pipe."""


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _become_group_leader(pid: int) -> None:
    try:
        os.setpgid(pid, 0)
    except OSError:
        return


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        import ctypes  # here, since modules that import only functions of this one do not need it

        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def _stat(name: str) -> list[bytes] | None:
    """The fields of a process after its command, beginning with its state; see proc_pid_stat(5)."""
    try:
        with open(f"{_PROC}/{name}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _exit_with_status(status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource  # only for an agent that a signal ended

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def main() -> None:
    host, lifeline, grace = sys.argv[1:4]
    if os.getpgrp() != os.getpid():
        os.setsid()
    _exit_with_status(_Guardian(int(host), int(lifeline), float(grace), notices_stops=True).run_inner(sys.argv[4:]))


if __name__ == "__main__":
    main()
