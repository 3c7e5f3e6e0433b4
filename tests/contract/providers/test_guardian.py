"""A guardian leaves the agent's streams and exit status untouched, and no process is left, whichever process ends
first.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers.adapter import ProcessIdentity
from orchestrion.actors.providers.process.guarded_command import guarded_command
from orchestrion.actors.providers.process.guardian import SHARED, living_processes
from orchestrion.actors.providers.process.process_table import (
    end_process_group,
    kill_processes,
    processes_of,
    start_time,
)

RESERVED_SIGNALS: Final = 0b11 << 31
"""Signals 32 and 33, which the C library reserves: no program can reset them."""
SAFETY_NET_SECONDS: Final = 180

IN_ITS_OWN_SESSION = "setsid sh -c 'echo $$; exec sleep 3600'"
STUBBORN = """setsid sh -c 'trap "" TERM HUP INT; echo $$; while :; do sleep 3600; done'"""
DAEMON = """(setsid sh -c 'sh -c "echo \\$\\$; exec sleep 3600" & exit' & exit)"""
TREES = pytest.mark.parametrize("tree", [IN_ITS_OWN_SESSION, STUBBORN, DAEMON], ids=["session", "stubborn", "daemon"])

HOST = """
import subprocess, sys
from orchestrion.actors.providers.process.guarded_command import guarded_command
from orchestrion.actors.providers.process.guardian import SHARED, living_processes
import os
end, host = os.pipe()
lifeline = end if sys.argv[1] == "lifeline" else None
guardian = subprocess.Popen(
    guarded_command(["sh", "-c", sys.argv[2]], lifeline=lifeline),
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[end] if lifeline else [],
)
os.close(end)
print(guardian.pid, guardian.stdout.readline().decode(), flush=True)
sys.stdin.read()
"""


class Guarded:
    """A guardian that this test's process started, and all of its descendants."""

    def __init__(self, command: list[str], *, grace_seconds: float, stdin: int) -> None:
        end, self._host = os.pipe()
        self.popen = subprocess.Popen(
            guarded_command(command, grace_seconds=grace_seconds, lifeline=end),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[end],
        )
        os.close(end)
        self.identity = ProcessIdentity(pid=self.popen.pid, started_at=start_time(self.popen.pid))

    def reads(self) -> int:
        """The pid that the agent prints."""
        assert self.popen.stdout is not None
        return int(self.popen.stdout.readline())

    def let_go(self) -> None:
        """Close the lifeline, as a host's death does."""
        if self._host >= 0:
            os.close(self._host)
            self._host = -1


Start = Callable[..., Guarded]


@pytest.fixture
def start() -> Iterator[Start]:
    guarded: list[Guarded] = []

    def start(script: str, *, grace_seconds: float = 0.2, stdin: int = subprocess.PIPE) -> Guarded:
        guarded.append(Guarded(["sh", "-c", script], grace_seconds=grace_seconds, stdin=stdin))
        return guarded[-1]

    yield start
    for one in guarded:
        with one.popen:
            one.let_go()
            assert kill_processes(one.identity, deadline_seconds=SAFETY_NET_SECONDS) == []


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -11 $$", -11)])
def test_the_guardian_ends_as_its_agent_did(start: Start, script: str, code: int) -> None:
    assert start(script).popen.wait(SAFETY_NET_SECONDS) == code


def test_the_agents_streams_are_its_own(start: Start) -> None:
    guarded = start("cat; echo last words >&2")
    out, words = guarded.popen.communicate(b"\x00in\xff" * 100_000, timeout=SAFETY_NET_SECONDS)
    assert out == b"\x00in\xff" * 100_000
    assert words == b"last words\n"


def test_the_agents_output_ends_when_the_agent_ends_it(start: Start) -> None:
    guarded = start("exec >&-; read line")
    assert guarded.popen.stdout is not None
    assert guarded.popen.stdout.read() == b""
    assert guarded.popen.poll() is None


def test_a_program_that_cannot_be_started_is_named(start: Start) -> None:
    popen = subprocess.Popen(guarded_command(["/no/such/agent"]), stderr=subprocess.PIPE)
    _, words = popen.communicate(timeout=SAFETY_NET_SECONDS)
    assert popen.returncode == 127
    assert b"'/no/such/agent' could not be started: [Errno 2]" in words


@TREES
def test_processes_left_by_an_agent_end_after_it(start: Start, tree: str) -> None:
    guarded = start(f"{tree} & read line; exit 3")
    stray = guarded.reads()
    assert guarded.popen.stdin is not None
    guarded.popen.stdin.close()
    assert guarded.popen.wait(SAFETY_NET_SECONDS) == 3
    assert start_time(stray) is None
    assert processes_of(guarded.identity) == []


@TREES
def test_termination_ends_everything(start: Start, tree: str) -> None:
    guarded = start(f"{tree} & wait; read line")
    stray = guarded.reads()
    guarded.popen.terminate()
    assert guarded.popen.wait(SAFETY_NET_SECONDS) == -signal.SIGTERM
    assert start_time(stray) is None
    assert processes_of(guarded.identity) == []


def test_an_agent_that_ignores_termination_is_killed(start: Start) -> None:
    guarded = start("trap '' TERM; echo $$; while :; do read line; sleep 3600; done")
    guarded.reads()
    guarded.popen.terminate()
    assert guarded.popen.wait(SAFETY_NET_SECONDS) == -signal.SIGKILL


def test_an_agent_may_take_its_grace_to_end_well(start: Start) -> None:
    guarded = start("trap 'echo bye >&2; exit 5' TERM; echo $$; while :; do sleep 0.05; done", grace_seconds=20)
    guarded.reads()
    guarded.popen.terminate()
    assert guarded.popen.wait(SAFETY_NET_SECONDS) == 5


def test_other_signals_reach_the_agent(start: Start) -> None:
    guarded = start("trap 'exit 4' USR1; echo $$; while :; do sleep 0.05; done")
    guarded.reads()
    guarded.popen.send_signal(signal.SIGUSR1)
    assert guarded.popen.wait(SAFETY_NET_SECONDS) == 4


@TREES
def test_the_end_of_the_lifeline_ends_everything_in_time(start: Start, tree: str) -> None:
    guarded = start(f"{tree} & wait; read line", grace_seconds=3600)
    stray = guarded.reads()
    guarded.let_go()
    assert guarded.popen.wait(SAFETY_NET_SECONDS) in (-signal.SIGTERM, -signal.SIGKILL)
    assert start_time(stray) is None


# An unmarked process: no environment, its own session, its parents gone.
UNMARKED = """(setsid env -i sh -c 'sh -c "echo \\$\\$; exec sleep 3600" & exit' & exit)"""


@pytest.mark.lesson("L58")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("whom", ["outer", "inner"])
@pytest.mark.parametrize("tree", [STUBBORN, UNMARKED], ids=["stubborn", "unmarked"])
def test_l58_nothing_outlives_a_guardian_that_its_agent_hits(
    start: Start, whom: str, number: signal.Signals, tree: str
) -> None:
    guarded = start(f"{tree} & read line; exit 3")
    stray = os.pidfd_open(guarded.reads())
    (inner,) = (pid for pid, parent, _ in living_processes() or () if parent == guarded.popen.pid)
    os.kill(inner if whom == "inner" else guarded.popen.pid, number)
    if number is signal.SIGSTOP and whom == "outer":  # its host notices only when the agent ends
        assert guarded.popen.stdin is not None
        guarded.popen.stdin.close()
    with contextlib.closing(select.epoll()) as poll:
        poll.register(stray, select.EPOLLIN)
        assert poll.poll(SAFETY_NET_SECONDS)
    os.close(stray)


@pytest.mark.lesson("L58")
def test_l58_an_agent_that_kills_both_guardians_is_found_by_its_mark(start: Start) -> None:
    guarded = start(f"{STUBBORN} & wait; read line")
    stray = guarded.reads()
    os.killpg(guarded.popen.pid, signal.SIGKILL)
    guarded.popen.wait(SAFETY_NET_SECONDS)
    assert stray in processes_of(guarded.identity)
    assert end_process_group(guarded.identity, grace_seconds=0.2)
    assert processes_of(guarded.identity) == []


@pytest.mark.lesson("L58")
def test_l58_processes_declared_as_shared_outlive_the_agent(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED, f"*{tmp_path}/hub*")
    hub = tmp_path / "hub"
    hub.write_text("#!/bin/sh\necho $$\nsleep 3600 & wait\n")
    hub.chmod(0o755)
    guarded = start(f"(setsid {hub} &) ; read line")
    shared = guarded.reads()
    try:
        assert not {shared} & set(processes_of(guarded.identity))
        assert guarded.popen.stdin is not None
        guarded.popen.stdin.close()
        guarded.popen.wait(SAFETY_NET_SECONDS)
        assert start_time(shared) is not None
        assert not end_process_group(guarded.identity, grace_seconds=0.2)
        assert start_time(shared) is not None
    finally:
        os.killpg(shared, signal.SIGKILL)


@pytest.mark.lesson("L58")
def test_l58_an_agent_has_the_signals_that_its_host_ignores_or_blocks(start: Start) -> None:
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGALRM})
    try:
        guarded = start("grep -E '^Sig(Blk|Ign)' /proc/self/status")
    finally:
        signal.signal(signal.SIGINT, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    out, _ = guarded.popen.communicate(timeout=SAFETY_NET_SECONDS)
    assert {int(line.split()[1], 16) & ~RESERVED_SIGNALS for line in out.splitlines()} == {0}


@pytest.mark.parametrize("by", ["lifeline", "parent"])
@TREES
def test_a_host_that_is_killed_leaves_nothing(by: str, tree: str) -> None:
    """The host holds the pipes too: their end is not relied on, since this agent does not read."""
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, by, f"{tree} & wait; exec sleep 3600"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert host.stdout is not None
        guardian, stray = map(int, host.stdout.readline().split())
        ends = [os.pidfd_open(pid) for pid in (guardian, stray)]
        host.kill()
        for end in ends:
            with contextlib.closing(select.epoll()) as poll:
                poll.register(end, select.EPOLLIN)
                assert poll.poll(SAFETY_NET_SECONDS), "a process of the agent outlived its host"
            os.close(end)
    finally:
        host.kill()
        host.communicate()
