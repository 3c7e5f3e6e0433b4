"""What a workspace's tree holds, and how a scratch index is brought up to it.

A tree has every file below the workspace that git does not ignore, and every ignored one that the user's index
tracks. Nested repositories and submodules are recorded as the commit they stand at, their files are not; one without a
commit is left out, as are empty directories, sockets and pipes. A `.git` that leads to no repository makes none. A file
above the size limit has a note in its place. A file that cannot be read fails the capture: a tree is whole or not at
all.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from typing import Final

import attrs

from ...persistence.threads import in_thread
from .git import Answer, CaptureFailed, Git
from .notes import note_of
from .scratch import Layout, keep_index, scratch_repository

_GITLINK: Final = re.compile(rb"(?:\A|(?<=\0))160000 [0-9a-f]+ 0\t([^\0]+)\0")


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
    async with scratch_repository(git, layout, warm=warm) as (scratch, directory):
        await record_workspace(git, scratch, layout)
        tree = (await scratch.run("write-tree")).output.decode("ascii").strip()
        await in_thread(keep_index, directory, layout)
        return tree


async def record_workspace(git: Git, scratch: Git, layout: Layout) -> None:
    """Bring the scratch index up to the files below the workspace.

    1. Nested repositories of the last capture that are none any more leave; what stands there now is listed by 3.
    2. Files of the last capture that changed or went are read again.
    3. Files that are new, and nested repositories at their present commit, come in.
    4. What is ignored leaves, except what the user's index tracks, which comes in.
    """
    links = _GITLINK.findall((await scratch.run("ls-files", "-s", "-z")).output)
    standing = await _repositories(git, layout, links)
    await remove(scratch, [path for path in links if path not in standing])

    gone, changed = _gone_and_changed(await scratch.run("diff-files", "-z", "--name-status"))
    await remove(scratch, gone)
    await record(scratch, layout, changed)

    others = paths_of(
        await scratch.run("ls-files", "-z", "-o", "--exclude-standard", *layout.exclusions, *layout.pathspec)
    )
    files = [path for path in others if not path.endswith(b"/")]
    nested = [path.rstrip(b"/") for path in others if path.endswith(b"/")]
    if layout.is_shadow:
        await in_thread(_check_shadow_bounds, layout, files)
    await record(scratch, layout, [*files, *standing, *await _repositories(git, layout, nested)])

    ignored = ("ls-files", "-z", "-c", "-i", "--exclude-standard", *layout.exclusions)
    tracked = {path for path in paths_of(await git.run(*ignored, *layout.pathspec)) if not layout.is_own(path)}
    await remove(scratch, [path for path in paths_of(await scratch.run(*ignored)) if path not in tracked])
    files, directories = await in_thread(_present, layout, tracked)
    await record(scratch, layout, [*files, *await _repositories(git, layout, directories)])


async def record(scratch: Git, layout: Layout, paths: Collection[bytes], *, whole: bool = False) -> None:
    """Take these paths into the index as they stand. With `whole`, also those above the size limit."""
    if not paths:
        return
    special, large = await in_thread(_special_and_large, layout, paths)
    await remove(scratch, special)
    large = {} if whole else large
    listing = b"".join(path + b"\0" for path in paths if path not in large and path not in special)
    if listing:
        await scratch.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=listing)
    entries = []
    for path, note in large.items():
        blob = (await scratch.run("hash-object", "-w", "--stdin", "--no-filters", stdin=note)).output.strip()
        entries.append(b"100644 " + blob + b" 0\t" + path + b"\0")
    if entries:
        await scratch.run("update-index", "--replace", "--add", "-z", "--index-info", stdin=b"".join(entries))


async def remove(scratch: Git, paths: Collection[bytes]) -> None:
    """Drop these paths from the index."""
    if paths:
        listing = b"\0".join(paths) + b"\0"
        await scratch.run("update-index", "--force-remove", "-z", "--stdin", stdin=listing)


def paths_of(answer: Answer) -> list[bytes]:
    return [path for path in answer.output.split(b"\0") if path]


async def _repositories(git: Git, layout: Layout, paths: Collection[bytes]) -> list[bytes]:
    """Those of `paths` that are repositories with a commit checked out, beyond no symbolic link."""
    found = []
    _, directories = await in_thread(_present, layout, paths)
    for path in directories:
        directory = layout.top / os.fsdecode(path)
        if await in_thread(os.path.exists, directory / ".git"):
            nested = attrs.evolve(git, directory=directory, variables={"GIT_DIR": ".git"})
            head = await nested.run("rev-parse", "--verify", "--quiet", "HEAD", codes=range(256))
            if head.code == 0:
                found.append(path)
    return found


def _gone_and_changed(answer: Answer) -> tuple[list[bytes], list[bytes]]:
    fields: Iterator[bytes] = iter(answer.output.split(b"\0"))
    gone: list[bytes] = []
    changed: list[bytes] = []
    for status in fields:
        if status:
            (gone if status == b"D" else changed).append(next(fields))
    return gone, changed


def _special_and_large(layout: Layout, paths: Collection[bytes]) -> tuple[set[bytes], dict[bytes, bytes]]:
    """Sockets and the like, and the files above the size limit with the note that stands for each."""
    root = os.fsencode(layout.top)
    special = set()
    large = {}
    for path in paths:
        try:
            facts = os.lstat(os.path.join(root, path))
        except OSError:
            continue
        if stat.S_ISREG(facts.st_mode):
            if facts.st_size > layout.limits.file_bytes:
                large[path] = note_of(facts)
        elif not (stat.S_ISLNK(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            special.add(path)
    return special, large


def _check_shadow_bounds(layout: Layout, files: Collection[bytes]) -> None:
    """Refuse a workspace that is too large for a shadow repository before anything of it is copied."""
    limits, total = layout.limits, 0
    root = os.fsencode(layout.top)
    for path in files:
        try:
            size = os.lstat(os.path.join(root, path)).st_size
        except OSError:
            continue
        total += size if size <= limits.file_bytes else 0
    if len(files) > limits.shadow_files or total > limits.shadow_bytes:
        fault = (
            f"{len(files)} files of {total} bytes are more than {limits.shadow_files} files of {limits.shadow_bytes}"
            " bytes: make it a git repository with a .gitignore to have checkpoints"
        )
        raise CaptureFailed("capture", layout.top, fault)


def _present(layout: Layout, paths: Collection[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Those of `paths` that stand in the work tree, beyond no symbolic link: files, and directories."""
    root = os.path.realpath(os.fsencode(layout.top))
    files: list[bytes] = []
    directories: list[bytes] = []
    for path in sorted(paths):
        place = os.path.join(root, path)
        parent = os.path.dirname(place)
        if os.path.lexists(place) and os.path.realpath(parent) == parent:
            is_directory = os.path.isdir(place) and not os.path.islink(place)
            (directories if is_directory else files).append(path)
    return files, directories
