"""What a workspace's tree holds, and how a scratch index is brought up to it.

A tree has every file below the workspace that git does not ignore, and every ignored one that the user's index
tracks. Nested repositories and submodules are recorded as the commit they stand at, their files are not. A `.git` that
leads to no repository makes none. A file above the size limit has a note in its place. A runtime's own files are never
in it; those of another runtime are reported as foreign.

What cannot be taken in (what may not be read, sockets, names that git refuses, repositories without a commit) is left
out and reported, with what the tree has no content of. A file that goes or becomes something else meanwhile is in the
tree as before or after, or is reported.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import attrs

from ....persistence.threads import in_thread
from .details import CaptureDetails
from .file_modes import FileModes
from .git import CaptureFailed, Git, GitResult
from .ignoring import paths_of
from .notes import note_of
from .own_files import OwnFiles
from .scratch import Layout, keep_index, keep_objects, rules_of, scratch_repository
from .skipped import SkippedPaths, SkipReason, is_in_any, reason_of
from .survey import WorkspaceTooLarge, survey

_GITLINK: Final = b"160000 "
_CHANGED_FILES: Final = ("diff-files", "-z", "--name-status", "--ignore-submodules=all")
"""Nested repositories are asked for their commits: git would look for changes in them, with all that they configure."""


@attrs.frozen(kw_only=True)
class Tree:
    """A tree in the object store, what its capture skipped, and what no tree has."""

    name: str
    skipped: SkippedPaths
    details: CaptureDetails = attrs.field(factory=CaptureDetails)


async def write_tree(git: Git, layout: Layout, *, warm: bool = True) -> Tree:
    """Write the workspace's tree into the object store; without `warm`, every file is read and written again.

    Raises:
        CaptureFailed: git could not read a file or write an object, twice.
    """
    try:
        return await _attempt(git, layout, warm=warm)
    except WorkspaceTooLarge:
        raise
    except CaptureFailed:
        return await _attempt(git, layout, warm=False)


async def _attempt(git: Git, layout: Layout, *, warm: bool) -> Tree:
    async with scratch_repository(git, layout, warm=warm) as (scratch, directory):
        own = await in_thread(OwnFiles.look, layout.top, layout.database)
        skipped = await record_workspace(git, scratch, layout, own)
        tree = await tree_of_index(scratch, directory, layout, skipped)
        await in_thread(keep_objects, directory, layout)
        await in_thread(keep_index, directory, layout)
        return tree


async def tree_of_index(scratch: Git, directory: Path, layout: Layout, skipped: SkippedPaths) -> Tree:
    """The tree of the scratch index, written into the scratch repository in `directory`.

    Raises:
        CaptureFailed: git could not write it.
    """
    name = (await scratch.run("write-tree")).output.decode("ascii").strip()
    paths = paths_of(await scratch.run("ls-files", "-z"))
    modes = await in_thread(FileModes.look, os.fsencode(layout.top), paths)
    rules = await in_thread(rules_of, directory, layout)
    return Tree(name=name, skipped=skipped, details=CaptureDetails(modes=modes, rules=rules.to_keep()))


async def record_workspace(git: Git, scratch: Git, layout: Layout, own: OwnFiles) -> SkippedPaths:
    """Bring the scratch index up to the files below the workspace; answers with what is not in it.

    1. The workspace is surveyed. What cannot be read leaves the index, with what lies below it.
    2. Nested repositories of the last capture that are none any more leave; what stands there now is listed by 4.
    3. Files of the last capture that changed or went are read again.
    4. Files that are new, and nested repositories at their present commit, come in.
    5. What is ignored leaves, except what the user's index tracks, which comes in.

    Raises:
        CaptureFailed: git could not do it, or a workspace with a shadow repository is too large for one.
    """
    links, files = _entries(await scratch.run("ls-files", "-s", "-z"))
    known = [*links, *files]
    skipped = await survey(scratch, layout, own, known)
    unseen = skipped.unknown
    await remove(scratch, [path for path in known if is_in_any(path, unseen)])
    links = [path for path in links if not is_in_any(path, unseen)]
    standing, _ = await _repositories(git, layout, links)
    await remove(scratch, [path for path in links if path not in standing])

    gone, changed = _gone_and_changed(await scratch.run(*_CHANGED_FILES))
    await remove(scratch, gone)
    skipped |= await record(scratch, layout, changed, own)

    others = paths_of(
        await scratch.run("ls-files", "-z", "-o", "--exclude-standard", *layout.exclusions, *layout.pathspec)
    )
    files = [path for path in others if not path.endswith(b"/")]
    nested, unborn = await _repositories(git, layout, [path.rstrip(b"/") for path in others if path.endswith(b"/")])
    skipped |= await record(scratch, layout, [*files, *standing, *nested], own)

    ignored = ("ls-files", "-z", "-c", "-i", "--exclude-standard", *layout.exclusions)
    tracked = set(paths_of(await attrs.evolve(git, settings=scratch.settings).run(*ignored, *layout.pathspec)))
    owned = await in_thread(own.those_of, tracked)
    tracked -= owned
    foreign = await in_thread(own.foreign_places, await in_thread(_standing, layout, owned))
    skipped |= SkippedPaths(dict.fromkeys(foreign.values(), "foreign"))
    await remove(scratch, [path for path in paths_of(await scratch.run(*ignored)) if path not in tracked])
    files, directories = await in_thread(_present, layout, tracked)
    inner, _ = await _repositories(git, layout, directories)
    skipped |= await record(scratch, layout, [*files, *inner], own)
    skipped |= SkippedPaths(dict.fromkeys(unborn, "repository-without-commit"))
    return skipped | SkippedPaths(dict.fromkeys([*standing, *nested, *inner], "nested-repository"))


async def record(
    scratch: Git, layout: Layout, paths: Collection[bytes], own: OwnFiles, *, whole: bool = False
) -> SkippedPaths:
    """Take these paths into the index as they are; with `whole`, also those above the size limit.

    Answers with those that could not be taken in whole, which leave the index where it has nothing of them.

    Raises:
        CaptureFailed: git could not write.
    """
    if not paths:
        return SkippedPaths()
    looked = await in_thread(_classify_paths, layout, paths, own)
    large = {} if whole else looked.large
    await remove(scratch, looked.own)
    left_out = set(large).union(looked.own, looked.skipped)
    reasons = dict(looked.skipped)
    reasons |= await _update(scratch, layout, [path for path in paths if path not in left_out])
    await remove(scratch, list(reasons))
    entries = []
    for path, note in large.items():
        blob = (await scratch.run("hash-object", "-w", "--stdin", "--no-filters", stdin=note)).output.strip()
        entries.append(b"100644 " + blob + b" 0\t" + path + b"\0")
    if entries:
        await scratch.run("update-index", "--replace", "--add", "-z", "--index-info", stdin=b"".join(entries))
    return SkippedPaths(reasons | dict.fromkeys(large, "too-large"))


async def _update(scratch: Git, layout: Layout, paths: list[bytes]) -> dict[bytes, SkipReason]:
    """Let git read these paths. Where that fails halves are read, until the unreadable path is isolated."""
    reasons: dict[bytes, SkipReason] = {}
    waiting = [paths] if paths else []
    while waiting:
        part = waiting.pop()
        listing = b"\0".join(part) + b"\0"
        try:
            answer = await scratch.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=listing)
        except CaptureFailed:
            unreadable = await in_thread(_unreadable, layout, part)
            reasons |= unreadable
            rest = [path for path in part if path not in unreadable]
            if rest and (unreadable or len(rest) > 1):
                middle = len(rest) if unreadable else len(rest) // 2
                waiting.extend(half for half in (rest[:middle], rest[middle:]) if half)
            elif rest and not await in_thread(_has_changed_kind, layout, rest[0]):
                raise
            else:
                reasons |= dict.fromkeys(rest, "changed-meanwhile")
        else:
            if "Ignoring path" in answer.errors:
                taken = set(paths_of(await scratch.run("ls-files", "-z")))
                missing = [path for path in part if path not in taken]
                reasons |= dict.fromkeys(await in_thread(_standing, layout, missing), "name-refused")
    return reasons


async def remove(scratch: Git, paths: Collection[bytes]) -> None:
    """Drop these paths from the index."""
    if paths:
        listing = b"\0".join(paths) + b"\0"
        await scratch.run("update-index", "--force-remove", "-z", "--stdin", stdin=listing)


async def _repositories(git: Git, layout: Layout, paths: Collection[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Those of `paths` that are repositories, beyond no symbolic link: with a commit checked out, and without one."""
    found: list[bytes] = []
    unborn: list[bytes] = []
    _, directories = await in_thread(_present, layout, paths)
    for path in directories:
        directory = layout.top / os.fsdecode(path)
        if await in_thread(os.path.exists, directory / ".git"):
            nested = attrs.evolve(git, directory=directory, variables={"GIT_DIR": ".git"})
            head = await nested.run("rev-parse", "--verify", "--quiet", "HEAD", codes=range(256))
            (found if head.code == 0 else unborn).append(path)
    return found, unborn


def _entries(answer: GitResult) -> tuple[list[bytes], list[bytes]]:
    """The paths of an index: nested repositories, and files."""
    links: list[bytes] = []
    files: list[bytes] = []
    for entry in paths_of(answer):
        (links if entry.startswith(_GITLINK) else files).append(entry.split(b"\t", 1)[1])
    return links, files


def _gone_and_changed(answer: GitResult) -> tuple[list[bytes], list[bytes]]:
    fields: Iterator[bytes] = iter(answer.output.split(b"\0"))
    gone: list[bytes] = []
    changed: list[bytes] = []
    for status in fields:
        if status:
            (gone if status == b"D" else changed).append(next(fields))
    return gone, changed


@attrs.frozen(kw_only=True)
class _ClassifiedPaths:
    """What paths are: a runtime's own, above the size limit with the note that replaces each, or skipped and why."""

    own: set[bytes]
    large: dict[bytes, bytes]
    skipped: dict[bytes, SkipReason]


def _classify_paths(layout: Layout, paths: Collection[bytes], own: OwnFiles) -> _ClassifiedPaths:
    root = os.fsencode(layout.top)
    looked = _ClassifiedPaths(own=own.those_of(paths), large={}, skipped={})
    looked.skipped.update(dict.fromkeys(own.foreign_places(looked.own).values(), "foreign"))
    for path in paths:
        if path in looked.own:
            continue
        place = os.path.join(root, path)
        try:
            facts = os.lstat(place)
        except OSError as fault:
            reason = reason_of(fault)
            if reason is not None:
                looked.skipped[path] = reason
            continue
        if stat.S_ISREG(facts.st_mode):
            if facts.st_size > layout.limits.file_bytes:
                looked.large[path] = note_of(facts)
        elif not (stat.S_ISLNK(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
            looked.skipped[path] = "special-file"
    return looked


def _unreadable(layout: Layout, paths: Collection[bytes]) -> dict[bytes, SkipReason]:
    """Those of `paths` that this process may not read."""
    root = os.fsencode(layout.top)
    found: dict[bytes, SkipReason] = {}
    for path in paths:
        place = os.path.join(root, path)
        try:
            if stat.S_ISREG(os.lstat(place).st_mode):
                os.close(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as fault:
            reason = reason_of(fault)
            if reason is not None:
                found[path] = reason
    return found


def _has_changed_kind(layout: Layout, path: bytes) -> bool:
    """Whether what was listed as a file is no file any more, or lies beyond a symbolic link now."""
    files, _ = _present(layout, [path])
    return not files or not _is_file(os.path.join(os.fsencode(layout.top), path))


def _is_file(place: bytes) -> bool:
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _standing(layout: Layout, paths: Collection[bytes]) -> list[bytes]:
    root = os.fsencode(layout.top)
    return [path for path in paths if os.path.lexists(os.path.join(root, path))]


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
