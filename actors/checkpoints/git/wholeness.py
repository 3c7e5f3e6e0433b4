"""Whether a ref's objects are there: the user's git may collect garbage at any time, also with `--prune=now`.

Between the writing of objects and the writing of the ref nothing names them, so a collection may delete them. It may
also have read the refs before and delete after. So once a ref is written, a `git gc` that was under way is awaited, and
then the objects are looked for.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio

from ....persistence.threads import in_thread
from .git import CaptureFailed, Git
from .regular_files import read_regular_file

_EXIT_FATAL: Final = 128
_GC_POLLS: Final = 500
"""How often a running `git gc` is looked for, ten seconds in all. What a longer one deletes is found later."""
_GC_POLL_SECONDS: Final = 0.02
_MOST_OF_A_LOCK: Final = 4096


class MissingObjects(CaptureFailed):
    """Objects of a capture were deleted while it was recorded."""


def are_objects_missing(fault: CaptureFailed) -> bool:
    """Whether git failed to commit a tree or to name a commit because objects were deleted meanwhile."""
    return isinstance(fault, MissingObjects) or fault.action == "commit-tree" or "nonexistent object" in fault.fault


async def is_whole(git: Git, commit: str) -> bool:
    """Whether everything that a commit or a tree names is there. What HEAD reaches is the user's: it is not checked.

    Raises:
        CaptureFailed: git could not be started or was killed.
    """
    present = await git.run("cat-file", "-e", f"{commit}^{{tree}}", codes=(0, 1, _EXIT_FATAL))
    if present.code != 0:
        return False
    asked = ("--objects", "--quiet", "--ignore-missing", commit, "--not", "HEAD")
    return (await git.run("rev-list", *asked, codes=(0, 1, _EXIT_FATAL))).code == 0


async def broken_commits(git: Git, commits: Sequence[str]) -> frozenset[str]:
    """Those of these commits of which objects are missing.

    Raises:
        CaptureFailed: git could not be started or was killed.
    """
    stdin = "".join(f"{commit}\n" for commit in commits).encode("ascii")
    asked = ("rev-list", "--objects", "--quiet", "--stdin")
    if not commits or (await git.run(*asked, stdin=stdin, codes=(0, 1, _EXIT_FATAL))).code == 0:
        return frozenset()
    return frozenset([commit for commit in dict.fromkeys(commits) if not await is_whole(git, commit)])


async def running_gc_ended(common_dir: Path) -> None:
    """Wait until the `git gc` that runs in this repository on this computer has ended, for some seconds at most."""
    seen = await in_thread(_running_gc, common_dir)
    for _ in range(_GC_POLLS):
        if seen is None or await in_thread(_running_gc, common_dir) != seen:
            return
        await anyio.sleep(_GC_POLL_SECONDS)


def _running_gc(common_dir: Path) -> tuple[int, str] | None:
    """What distinguishes a running gc from a later one: the time and the text of its lock."""
    lock = common_dir / "gc.pid"
    try:
        text = read_regular_file(lock, at_most=_MOST_OF_A_LOCK).decode("utf-8", "replace")
        written = lock.stat().st_mtime_ns
        number, _, host = text.strip().partition(" ")
        if host != socket.gethostname():
            return None
        os.kill(int(number), 0)
    except PermissionError:
        return (written, text)
    except (OSError, ValueError):
        return None
    return (written, text)
