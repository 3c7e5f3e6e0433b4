"""One runtime owns a database: within a process, between processes, and after a process was killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrion.contracts.errors import DatabaseInUse, StoreError
from orchestrion.contracts.values import Instant
from orchestrion.persistence.database import prepare
from orchestrion.persistence.inspection import open_read_only
from orchestrion.persistence.ownership import DatabaseLock, Owner, read_owner

SINCE = Instant("2026-01-02T03:04:05.678Z")
LATER = Instant("2026-01-02T04:00:00.000Z")

_HOLDER = """
import sys
from pathlib import Path
from orchestrion.persistence.ownership import DatabaseLock
lock = DatabaseLock(Path(sys.argv[1]), since=sys.argv[2])
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it reads a line or is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path), SINCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def refusal(lock: DatabaseLock) -> DatabaseInUse:
    with pytest.raises(DatabaseInUse) as raised:
        lock.acquire()
    assert not isinstance(raised.value, TimeoutError)
    return raised.value


def test_owner_in_another_process_is_named(path: Path) -> None:
    with holder(path) as process:
        error = refusal(DatabaseLock(path, since=LATER))
        assert (error.path, error.pid, error.host, error.since) == (
            str(path),
            process.pid,
            socket.gethostname(),
            SINCE,
        )
        assert read_owner(path) == Owner(pid=process.pid, host=socket.gethostname(), since=SINCE)


def test_lock_of_a_killed_process_does_not_block(path: Path) -> None:
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert Path(f"{path}.lock").exists()
        assert Path(f"{path}.owner").exists()
        assert read_owner(path) is None
        with DatabaseLock(path, since=LATER):
            assert read_owner(path) == Owner(pid=os.getpid(), host=socket.gethostname(), since=LATER)


def test_lock_that_was_released_is_free(path: Path) -> None:
    with holder(path) as process:
        process.communicate("release\n")
        assert process.returncode == 0
        assert read_owner(path) is None
        with DatabaseLock(path, since=LATER) as lock:
            assert lock.held
        assert not lock.held
    assert read_owner(path) is None


@pytest.mark.parametrize("way", ["same path", "symlink", "relative path", "symlinked directory"])
def test_second_lock_of_one_process_is_refused(path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.touch()
    link = path.with_name("link.db")
    link.symlink_to(path)
    directory = path.parent / "directory"
    directory.symlink_to(path.parent)
    monkeypatch.chdir(path.parent)
    other = {
        "same path": path,
        "symlink": link,
        "relative path": Path("state.db"),
        "symlinked directory": directory / "state.db",
    }[way]
    with DatabaseLock(path, since=SINCE) as first:
        second = DatabaseLock(other, since=LATER)
        error = refusal(second)
        assert (error.pid, error.since) == (os.getpid(), SINCE)
        assert first.held
        assert not second.held
        second.release()
        refusal(second)
    with second:
        assert refusal(first).since == LATER


def test_hard_link_is_refused_by_every_opener_under_both_names(path: Path) -> None:
    prepare(path, SINCE).close()
    link = path.with_name("link.db")
    link.hardlink_to(path)
    for name in (path, link):
        with pytest.raises(StoreError, match=r"is one of 2 hard links to one file.*open a copy"):
            DatabaseLock(name, since=SINCE).acquire()
        with pytest.raises(StoreError, match="is one of 2 hard links"), open_read_only(name):
            pass
    link.unlink()
    with DatabaseLock(path, since=SINCE), open_read_only(path):
        pass


_FORKING_HOLDER = """
import os, sys, time
from pathlib import Path
from orchestrion.persistence.ownership import DatabaseLock
lock = DatabaseLock(Path(sys.argv[1]), since=sys.argv[2])
lock.acquire()
forked = os.fork()
if forked == 0:  # it speaks itself, once it runs: by then it has dropped what it inherited
    print(os.getpid(), flush=True)
    os.close(1)
    sys.stdin.read()
    os._exit(0)
time.sleep(600)
"""


def test_a_process_that_was_forked_off_a_killed_owner_does_not_block(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FORKING_HOLDER, str(path), SINCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        assert refusal(DatabaseLock(path, since=LATER)).pid == process.pid
        process.kill()
        process.wait()
        os.kill(forked, 0)
        with DatabaseLock(path, since=LATER):
            pass
        os.kill(forked, signal.SIGKILL)


def test_lock_is_not_reentrant(path: Path) -> None:
    with DatabaseLock(path, since=SINCE) as lock:
        assert refusal(lock).pid == os.getpid()
        assert lock.held


def test_lock_taken_on_one_thread_is_released_on_another(path: Path) -> None:
    lock = DatabaseLock(path, since=SINCE)
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    assert lock.held
    lock.release()
    with DatabaseLock(path, since=LATER):
        pass


def test_two_databases_in_one_directory_have_two_owners(path: Path) -> None:
    with DatabaseLock(path, since=SINCE), DatabaseLock(path.with_name("other.db"), since=LATER):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"pid": "x", "host": "h", "since": "s"}'])
def test_owner_that_cannot_be_read_is_unknown(path: Path, text: str) -> None:
    with holder(path):
        Path(f"{path}.owner").write_text(text)
        error = refusal(DatabaseLock(path, since=LATER))
        assert (error.pid, error.host, error.since) == (None, None, None)


def test_owner_on_another_host_is_believed(path: Path) -> None:
    Path(f"{path}.owner").write_text(json.dumps({"pid": 1, "host": "elsewhere.invalid", "since": SINCE}))
    assert read_owner(path) == Owner(pid=1, host="elsewhere.invalid", since=SINCE)


def test_files_of_the_lock_are_their_owners_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with DatabaseLock(path, since=SINCE):
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"state.db.lock": 0o600, "state.db.owner": 0o600}


def test_missing_directory_is_named_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "state.db"
    with pytest.raises(StoreError, match=r"missing/state\.db"):
        DatabaseLock(path, since=SINCE).acquire()
    assert not path.parent.exists()
