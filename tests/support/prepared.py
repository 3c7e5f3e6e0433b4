"""The command line in processes that need not import the library first.

`run_prepared` returns what `subprocess.run([sys.executable, "-m", "orchestrion", …])` returns: a process with its own
pid, environment and standard streams. But the process is forked from a server that has already imported the command
line, which takes milliseconds instead of half a second. The server, `python -m tests.support.prepared`, has one thread,
serves one test worker and ends with it. For each command the server forks a keeper, which forks the command and reports
its exit status. When the caller is gone, the keeper kills the command.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from orchestrion.runtime.cli.app import app
from orchestrion.testing.processes import MARK, TEST

__all__ = ["run_prepared"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_STREAMS: Final = 3
_MOST_DESCRIPTORS: Final = 1024


def run_prepared(
    arguments: Sequence[str], *, input: bytes, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """Run `orchestrion` with these arguments to its end.

    Raises:
        TimeoutExpired: it did not end in time; it is killed.
    """
    if not hasattr(os, "pidfd_open"):
        command = [sys.executable, "-m", "orchestrion", *arguments]
        return subprocess.run(command, input=input, env=environment, capture_output=True, timeout=timeout, check=False)
    request = {"arguments": list(arguments), "environment": dict(environment), "directory": os.getcwd()}
    reading, writing = os.pipe()
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        open(writing, "wb") as typed,
    ):
        asked.write(json.dumps(request).encode())
        asked.flush()
        answers, keepers = socket.socketpair()
        with answers:
            with keepers:
                streams = (reading, output.fileno(), errors.fileno())
                socket.send_fds(_server(), [b"!"], [asked.fileno(), keepers.fileno(), *streams])
                os.close(reading)
            with suppress(BrokenPipeError):  # it ended, or closed its input, before it had read everything
                typed.write(input)
            with suppress(BrokenPipeError):
                typed.close()
            answers.settimeout(timeout)
            try:
                status = int(answers.recv(64))
            except TimeoutError:
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(list(arguments), status, output.read(), errors.read())


@cache
def _server() -> socket.socket:
    """The worker's end of its server, which is started at the first call."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: value for name, value in os.environ.items() if name not in {MARK, TEST}}
    with its:
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**environment, "PYTHONIOENCODING": "utf-8"},
            pass_fds=[its.fileno()],
        )

    def end() -> None:
        mine.close()
        server.wait()

    atexit.register(end)
    return mine


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request until the worker is gone. Returns, in each forked command, its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1, 2 + _STREAMS)
        if not message:
            sys.exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (command := os.fork()) == 0:
                return _become_command(descriptors)
            _keep(command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(command: int, descriptors: Sequence[int]) -> None:
    """Report the command's exit status, or kill it when nobody waits for it any more."""
    answers = descriptors[1]
    for stream in descriptors[2:]:
        os.close(stream)
    ended = os.pidfd_open(command)
    ready, _, _ = select.select([ended, answers], [], [])
    if ended not in ready:
        os.kill(command, signal.SIGKILL)
    _, status = os.waitpid(command, 0)
    try:
        os.write(answers, str(os.waitstatus_to_exitcode(status)).encode())
    finally:
        os._exit(0)


def _become_command(descriptors: Sequence[int]) -> list[str]:
    asked, _, *streams = descriptors
    with open(asked, "rb", closefd=False) as file:
        file.seek(0)
        request = json.load(file)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(_STREAMS, _MOST_DESCRIPTORS)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    arguments: list[str] = request["arguments"]
    return arguments


def import_every_command() -> None:
    """Import what the command line itself imports only for the command that is named."""
    context = click.Context(app)
    for name in app.list_commands(context):
        app.get_command(context, name)


if __name__ == "__main__":
    from orchestrion.__main__ import main

    import_module("anyio._backends._asyncio")
    import_every_command()
    gc.collect()
    gc.freeze()
    sys.argv = ["orchestrion", *_serve(socket.socket(fileno=int(sys.argv[1])))]
    main()
