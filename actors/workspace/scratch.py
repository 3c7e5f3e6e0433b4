"""A scratch repository: how a workspace becomes a tree while the user's repository stays as it is.

Each capture makes a git directory of its own below the user's (`GIT_DIR/orchestrion/capture-*`) and removes it
afterwards. It borrows the work tree and the object store, and owns everything else: its index, its configuration and
its `info/attributes`, which outranks every `.gitattributes` and turns conversions off, so that blobs hold the bytes
of the files, whatever `text`, `filter`, `ident` or `working-tree-encoding` say. Captures share no lock, so any number
of them run at once, in one host or several.

The index of the last capture is kept (`GIT_DIR/orchestrion/index-*`) and seeds the next one: only files whose stat
changed are read again. It is replaced whole; a capture that fails with it starts over without it.

A tree has every file below the workspace that git does not ignore, and every ignored one that the user's index
tracks. Nested repositories and submodules are recorded as the commit they stand at, their files are not; one without a
commit is left out, as are empty directories, sockets and pipes. A `.git` that leads to no repository makes none. A file
that cannot be read fails the capture: a tree is whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import attrs

from .git import Answer, CaptureFailed, Git

_RAW_BYTES: Final = "* -text -eol -ident -filter !working-tree-encoding\n"

_SETTINGS: Final = (
    "core.autocrlf=false",
    "core.checkStat=default",
    "core.fsync=objects,reference",
    "core.fsyncMethod=batch",
    "core.safecrlf=false",
    "core.sparseCheckout=false",
    "core.splitIndex=false",
    "core.trustctime=true",
    "diff.ignoreSubmodules=all",
)

_COPIED_SETTINGS: Final = (
    r"^core\.(filemode|symlinks|ignorecase|precomposeunicode|excludesfile|bigfilethreshold|sharedrepository)$"
)
"""What says how this file system behaves, and what the user ignores."""

_GITLINK: Final = re.compile(rb"(?:\A|(?<=\0))160000 [0-9a-f]+ 0\t([^\0]+)\0")

_LEFTOVER_AGE: Final = 24 * 60 * 60.0
"""Seconds after which the scratch repository of a killed host is swept away."""


@attrs.frozen(kw_only=True)
class Layout:
    """Where a workspace and its repository are. `prefix` is the workspace below `top`, empty or ending in `/`."""

    top: Path
    prefix: str
    git_dir: Path
    common_dir: Path
    object_format: str

    @property
    def pathspec(self) -> tuple[str, ...]:
        return ("--", self.prefix.rstrip("/")) if self.prefix else ()

    @property
    def home(self) -> Path:
        return self.git_dir / "orchestrion"

    @property
    def warm_index(self) -> Path:
        return self.home / f"index-{hashlib.sha256(os.fsencode(self.prefix)).hexdigest()[:16]}"


async def write_tree(git: Git, layout: Layout) -> str:
    """Write the workspace's tree into the object store and return its id.

    Raises:
        CaptureFailed: git could not read a file or write an object, twice.
    """
    try:
        return await _attempt(git, layout, warm=True)
    except CaptureFailed:
        return await _attempt(git, layout, warm=False)


async def _attempt(git: Git, layout: Layout, *, warm: bool) -> str:
    async with _scratch(git, layout, warm=warm) as (scratch, directory):
        await _record_workspace(git, scratch, layout)
        tree = (await scratch.run("write-tree")).output.decode("ascii").strip()
        await anyio.to_thread.run_sync(_keep_index, directory, layout)
        return tree


async def _record_workspace(git: Git, scratch: Git, layout: Layout) -> None:
    """Bring the scratch index up to the files below the workspace.

    1. Nested repositories of the last capture that are none any more leave; what stands there now is listed by 3.
    2. Files of the last capture that changed or went are read again.
    3. Files that are new, and nested repositories at their present commit, come in.
    4. What is ignored leaves, except what the user's index tracks, which comes in.
    """
    links = _GITLINK.findall((await scratch.run("ls-files", "-s", "-z")).output)
    standing = await _repositories(git, layout, links)
    await _remove(scratch, [path for path in links if path not in standing])

    await scratch.run("add", "-u")

    others = _paths(await scratch.run("ls-files", "-z", "-o", "--exclude-standard", *layout.pathspec))
    files = [path for path in others if not path.endswith(b"/")]
    nested = [path.rstrip(b"/") for path in others if path.endswith(b"/")]
    await _record(scratch, [*files, *standing, *await _repositories(git, layout, nested)])

    ignored = ("ls-files", "-z", "-c", "-i", "--exclude-standard")
    tracked = set(_paths(await git.run(*ignored, *layout.pathspec)))
    await _remove(scratch, [path for path in _paths(await scratch.run(*ignored)) if path not in tracked])
    files, directories = await anyio.to_thread.run_sync(_present, layout.top, tracked)
    await _record(scratch, [*files, *await _repositories(git, layout, directories)])


async def _record(scratch: Git, paths: Collection[bytes]) -> None:
    if paths:
        listing = b"\0".join(paths) + b"\0"
        await scratch.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=listing)


async def _remove(scratch: Git, paths: Collection[bytes]) -> None:
    if paths:
        listing = b"\0".join(paths) + b"\0"
        await scratch.run("update-index", "--force-remove", "-z", "--stdin", stdin=listing)


async def _repositories(git: Git, layout: Layout, paths: Collection[bytes]) -> list[bytes]:
    """Those of `paths` that are repositories with a commit checked out."""
    found = []
    for path in paths:
        directory = layout.top / os.fsdecode(path)
        if await anyio.to_thread.run_sync(os.path.exists, directory / ".git"):
            nested = attrs.evolve(git, directory=directory, variables={"GIT_DIR": ".git"})
            head = await nested.run("rev-parse", "--verify", "--quiet", "HEAD", codes=range(256))
            if head.code == 0:
                found.append(path)
    return found


def _paths(answer: Answer) -> list[bytes]:
    return [path for path in answer.output.split(b"\0") if path]


def _present(top: Path, paths: Collection[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Those of `paths` that stand in the work tree, beyond no symbolic link: files, and directories."""
    root = os.path.realpath(os.fsencode(top))
    files: list[bytes] = []
    directories: list[bytes] = []
    for path in sorted(paths):
        place = os.path.join(root, path)
        parent = os.path.dirname(place)
        if os.path.lexists(place) and os.path.realpath(parent) == parent:
            is_directory = os.path.isdir(place) and not os.path.islink(place)
            (directories if is_directory else files).append(path)
    return files, directories


@asynccontextmanager
async def _scratch(git: Git, layout: Layout, *, warm: bool) -> AsyncIterator[tuple[Git, Path]]:
    copied = await git.run("config", "-z", "--get-regexp", _COPIED_SETTINGS, codes=(0, 1))
    settings = [entry.decode("utf-8", "surrogateescape") for entry in copied.output.split(b"\0") if entry]
    try:
        directory = await anyio.to_thread.run_sync(partial(_make, layout, warm=warm))
    except OSError as fault:
        raise CaptureFailed("capture", layout.home, str(fault)) from fault
    try:
        variables = {
            "GIT_DIR": str(directory),
            "GIT_WORK_TREE": str(layout.top),
            "GIT_OBJECT_DIRECTORY": str(layout.common_dir / "objects"),
        }
        yield (
            Git(
                program=git.program,
                directory=layout.top,
                variables=variables,
                settings=(*(setting.replace("\n", "=", 1) for setting in settings), *_SETTINGS),
            ),
            directory,
        )
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))


def _make(layout: Layout, *, warm: bool) -> Path:
    layout.home.mkdir(exist_ok=True)
    _sweep(layout.home)
    directory = Path(tempfile.mkdtemp(prefix="capture-", dir=layout.home))
    (directory / "refs").mkdir()
    (directory / "info").mkdir()
    (directory / "HEAD").write_text("ref: refs/heads/none\n")
    (directory / "config").write_text(
        "[core]\n\trepositoryformatversion = 1\n\tbare = false\n"
        f"[extensions]\n\tobjectFormat = {layout.object_format}\n"
    )
    (directory / "info" / "attributes").write_text(_RAW_BYTES)
    with suppress(FileNotFoundError):
        shutil.copyfile(layout.common_dir / "info" / "exclude", directory / "info" / "exclude")
    if warm:
        with suppress(FileNotFoundError):
            _copy_index(layout.warm_index, directory / "index")
    return directory


def _copy_index(source: Path, target: Path) -> None:
    """Copies the file with its time, by which git tells a stat that it can trust from one that came too close."""
    with source.open("rb") as kept:
        target.write_bytes(kept.read())
        stat = os.fstat(kept.fileno())
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _keep_index(directory: Path, layout: Layout) -> None:
    with suppress(OSError):
        (directory / "index").replace(layout.warm_index)


def _sweep(home: Path) -> None:
    oldest = time.time() - _LEFTOVER_AGE
    for leftover in home.glob("capture-*"):
        with suppress(OSError):
            if leftover.stat().st_mtime < oldest:
                shutil.rmtree(leftover)
