"""An acknowledgement follows the fsync of its commit, as the host's system calls show.

The host runs under strace. A command's events are in the WAL once a write to it contains its id. A sync of the WAL must
follow that write and return before the host reports that the command is accepted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
COMMANDS: Final = 5

HOST: Final = """
import os, sys
import anyio
from orchestrion import ProjectCreate, open_runtime

async def main(database, backend):
    async with open_runtime(database) as runtime:
        for number in range(COMMANDS):
            name = f"synced-{number}."
            await runtime.dispatch(
                ProjectCreate(
                    command_id=name, project_id=f"p{number}", title="P", workspace_root="/w",
                    created_at="2026-01-01T00:00:00.000Z",
                )
            )
            os.write(1, f"accepted {name}".encode())

anyio.run(main, *sys.argv[1:], backend=sys.argv[2])
""".replace("COMMANDS", str(COMMANDS))

_CALL: Final = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED: Final = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_UNFINISHED: Final = "<unfinished ...>"


@attrs.frozen
class Call:
    """A completed system call, numbered by its return."""

    name: str
    text: str


def returned_calls(trace: str) -> Iterator[Call]:
    """The calls of all threads in the order of their returns, with arguments and results."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        if call := _CALL.match(line):
            if call["rest"].endswith(_UNFINISHED):
                begun[call["pid"]] = call["rest"].removesuffix(_UNFINISHED)
            else:
                yield Call(call["name"], call["rest"])
        elif resumed := _RESUMED.match(line):
            yield Call(resumed["name"], begun.pop(resumed["pid"], "") + resumed["rest"])


def places(calls: list[Call], name: re.Pattern[str], text: str) -> list[int]:
    return [number for number, call in enumerate(calls) if name.fullmatch(call.name) and text in call.text]


def synced_before_accepted(calls: list[Call], command: str) -> bool:
    """Whether the WAL was synced between the first write that holds the command and its acknowledgement."""
    written = places(calls, re.compile("pwrite64|write"), command)
    accepted = places(calls, re.compile("write"), f"accepted {command}")
    logged = [place for place in written if "-wal>" in calls[place].text]
    assert logged, f"{command} is nowhere in the WAL"
    assert len(accepted) == 1, f"{command} was acknowledged {len(accepted)} times"
    syncs = places(calls, re.compile("fdatasync|fsync"), "-wal>")
    return any(logged[0] < sync < accepted[0] and calls[sync].text.endswith("= 0") for sync in syncs)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_acknowledgement_follows_the_fsync_of_its_commit(backend: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    calls = "trace=fdatasync,fsync,pwrite64,write"
    tracer = ["strace", "-f", "-y", "-s", "20000", "-e", calls, "-e", "signal=none", "-o", str(trace)]
    host = [sys.executable, "-c", HOST, str(tmp_path / "state.db"), backend]
    traced = subprocess.run([*tracer, *host], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    if "PTRACE" in traced.stderr:
        pytest.skip(f"strace may not trace here: {traced.stderr.strip()}")
    assert traced.returncode == 0, traced.stderr
    made = list(returned_calls(trace.read_text(errors="replace")))
    assert [n for n in range(COMMANDS) if not synced_before_accepted(made, f"synced-{n}.")] == []


def test_a_sync_that_comes_after_the_acknowledgement_is_noticed() -> None:
    trace = """
1 pwrite64(5</d/state.db-wal>, "synced-0.", 9, 0) = 9
2 write(1</dev/null>, "accepted synced-0.", 18) = 18
1 fdatasync(5</d/state.db-wal>) = 0
"""
    assert not synced_before_accepted(list(returned_calls(trace)), "synced-0.")


def test_a_sync_that_has_not_returned_is_noticed() -> None:
    trace = """
1 pwrite64(5</d/state.db-wal>, "synced-0.", 9, 0) = 9
1 fdatasync(5</d/state.db-wal> <unfinished ...>
2 write(1</dev/null>, "accepted synced-0.", 18) = 18
1 <... fdatasync resumed>) = 0
"""
    assert not synced_before_accepted(list(returned_calls(trace)), "synced-0.")
