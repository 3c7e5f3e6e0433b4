"""A file system that can be full: a small tmpfs, mounted for one test.

`fill` takes all its space with a file next to the database, `leave` leaves some of it, `free` gives all back. Mounting
needs root; without it a test that needs a small disk is skipped.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs
import pytest

SIZE_KIB: Final = 8192
PAGE_BYTES: Final = 4096

_BALLAST: Final = "ballast"


@attrs.frozen
class SmallDisk:
    """A mounted file system; `directory` is its root."""

    directory: Path

    @property
    def free_bytes(self) -> int:
        room = os.statvfs(self.directory)
        return room.f_bavail * room.f_frsize

    def fill(self) -> None:
        """Take the space that is left, to the last page."""
        descriptor = os.open(self.directory / _BALLAST, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while True:
                os.write(descriptor, b"\0" * PAGE_BYTES)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(descriptor)

    def leave(self, kib: int) -> None:
        """Leave exactly this many bytes."""
        self.free()
        self.fill()
        os.truncate(self.directory / _BALLAST, (self.directory / _BALLAST).stat().st_size - kib * 1024)

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.directory / _BALLAST).unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        """Mount it again, `ro` or `rw`. The system refuses `ro` while a file is open for writing."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.directory)], check=True, capture_output=True)


@contextmanager
def mounted() -> Iterator[SmallDisk]:
    """A small disk while the block runs. Skips the test if nothing can be mounted."""
    if not _may_mount():
        pytest.skip("needs to mount a tmpfs: unshare --user --map-root-user --mount .venv/bin/pytest -n 2 tests/faults")
    with TemporaryDirectory(prefix="orchestrion-disk-") as directory:
        subprocess.run(_mount(directory), check=True, capture_output=True)
        try:
            yield SmallDisk(Path(directory))
        finally:
            subprocess.run(["umount", "--lazy", directory], check=True, capture_output=True)


@cache
def _may_mount() -> bool:
    if sys.platform != "linux":
        return False
    with TemporaryDirectory(prefix="orchestrion-disk-") as directory:
        try:
            subprocess.run(_mount(directory), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", directory], check=True, capture_output=True)
    return True


def _mount(directory: str) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KIB}k,mode=700", "orchestrion-test", directory]
