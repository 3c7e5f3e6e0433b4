"""A guardian: the small process between a host and an agent, after which nothing of the agent is left.

It starts the agent on its own standard streams, which it then lets go: bytes pass between host and agent directly. It
leads a session, in which the agent leads a group, and adopts every descendant of the agent that loses its parent,
those in sessions of their own included. It ends when the agent has ended; when it is sent SIGTERM; and when the host
is gone, which it learns at once from the end of a pipe (its lifeline), or else from having got another parent. A
parent-death signal would not do: it fires when the thread ends that started the process.

Ending: SIGTERM to all that is left, SIGKILL after a grace (0.5 seconds at most once the host is gone), until no
process is left. Then it exits as the agent did, with its code or by its signal. Other signals are passed on to the
agent. SIGKILL is the one thing it cannot answer: the agent dies with it, the rest is found by the mark in its
environment (`MARK`). So ask it to end by SIGTERM, and kill only a guardian that does not answer.

Adoption and the mark need Linux and its `/proc`. Elsewhere the agent's process group is ended, and a process that left
the group stays.

This file is run as a program by a bare interpreter (`guarded_command`): it imports nothing but the standard library,
and of that as little as it can.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

__all__ = ["MARK", "descendants", "guarded_command", "living_processes"]

MARK = "ORCHESTRION_GUARDIAN"
"""The environment variable of everything a guardian started: its pid and start time, `PID.TICKS`."""

_PROC = "/proc"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_WITHOUT_HOST_SECONDS = 0.5
_KILL_SECONDS = 5.0
_PARENT_POLL_SECONDS = 0.25
_LAST_POLL_SECONDS = 0.05
_NOT_STARTED = 127

_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_WATCHED = (*_PASSED_ON, signal.SIGTERM, signal.SIGCHLD)


def guarded_command(
    command: tuple[str, ...] | list[str], *, grace_seconds: float = 0.5, lifeline: int | None = None
) -> list[str]:
    """The command that runs `command` under a guardian, to be started by this very process.

    `command` names its program by path, or by a name that the PATH of the environment finds. `lifeline` is the
    reading end of a pipe that is passed on to the guardian under this number, and whose writing end nobody but this
    process has. Every 0.25 seconds the guardian looks whether this process is still its parent.
    """
    options = [str(os.getpid()), str(-1 if lifeline is None else lifeline), str(grace_seconds)]
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), *options, *command]


def living_processes() -> list[tuple[int, int, int]] | None:
    """The pid, parent and group of every process that is no zombie, or None where there is no `/proc`."""
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


def descendants(ancestor: int, processes: list[tuple[int, int, int]]) -> list[int]:
    """The pids of `processes` that descend from `ancestor`."""
    children: dict[int, list[int]] = {}
    for pid, parent, _ in processes:
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    generation = children.get(ancestor, [])
    while generation:
        found += generation
        generation = [pid for parent in generation for pid in children.get(parent, ())]
    return found


class _Guardian:
    def __init__(self, host: int, lifeline: int, grace_seconds: float) -> None:
        self._host = host
        self._grace_seconds = grace_seconds
        self._agent = 0
        self._status: int | None = None
        self._host_gone = False
        self._asked = False
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
            signal.signal(number, _noted)

    def run(self, command: list[str]) -> int:
        """Guard an agent to its end and return its wait status."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._start(command)
        while self._status is None and not self._asked and not self._host_gone:
            self._wait(_PARENT_POLL_SECONDS)
        self._end_all()
        return int(signal.SIGKILL) if self._status is None else self._status

    def _start(self, command: list[str]) -> None:
        guardian = os.getpid()
        fields = _stat("self")
        if fields is not None:
            os.environ[MARK] = f"{guardian}.{int(fields[19])}"
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        self._agent = os.fork()
        if self._agent == 0:
            _become(command, guardian)
        _lead_group(self._agent)  # both sides do so: neither can rely on the other having been there first
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def _wait(self, seconds: float) -> None:
        """Wait for a signal, a child's end, the host's end or the deadline, and take note of what came."""
        ready = self._poll.poll(seconds * 1000)
        if any(descriptor == self._lifeline for descriptor, _ in ready):
            self._poll.unregister(self._lifeline)
            self._host_gone = True
        if os.getppid() != self._host:
            self._host_gone = True
        try:
            numbers = os.read(self._signals, 4096)
        except BlockingIOError:
            numbers = b""
        for number in set(numbers):
            if number == signal.SIGTERM:
                self._asked = True
            elif number != signal.SIGCHLD and self._status is None:
                _send(self._agent, number)
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._agent:
                self._status = status

    def _end_all(self) -> None:
        for number, seconds in ((signal.SIGTERM, self._grace_seconds), (signal.SIGKILL, _KILL_SECONDS)):
            if self._end(number, seconds):
                return
        print("guardian: processes of the agent survived SIGKILL", file=sys.stderr)

    def _end(self, number: int, seconds: float) -> bool:
        """Send a signal to all that is left, to each process once, and wait. Whether nothing is left."""
        deadline = time.monotonic() + seconds
        signalled: set[int] = set()
        pause = 0.001
        hurried = False
        while True:
            left = self._left()
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

    def _left(self) -> list[int]:
        """What `os.kill` takes to reach what is left: pids, or the agent's group where there is no `/proc`."""
        processes = living_processes()
        if processes is not None:
            return descendants(os.getpid(), processes)
        try:
            os.killpg(self._agent, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [-self._agent]


def _become(command: list[str], guardian: int) -> None:
    """The child's half of the start: take the agent's program, or say why not and exit."""
    try:
        for number in (*_WATCHED, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        _lead_group(0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guardian:
            os.execvp(command[0], command)
    except OSError as error:
        print(f"the program {command[0]!r} could not be started: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(_NOT_STARTED)


def _noted(_number: int, _frame: object) -> None:
    """A handler so that the signal's number is written to the wake-up pipe."""


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _lead_group(pid: int) -> None:
    try:
        os.setpgid(pid, 0)
    except OSError:
        return


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        import ctypes  # not for those who import this module for its functions

        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)


def _stat(name: str) -> list[bytes] | None:
    """The fields of a process behind its command, from its state on; see proc_pid_stat(5)."""
    try:
        with open(f"{_PROC}/{name}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _leave_as(status: int) -> None:
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
    _leave_as(_Guardian(int(host), int(lifeline), float(grace)).run(sys.argv[4:]))


if __name__ == "__main__":
    main()
