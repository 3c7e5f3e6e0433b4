"""Where a workspace's captures are: in the git repository around it, or in its shadow repository.

The repository may come, go or be replaced at any time, also during a turn (scaffolders run `git init`). So a workspace
that was captured into its shadow repository stays with that, unless the repository around it has captures of it. A
workspace whose repository is gone, has become bare or is broken gets a shadow repository. Captures that are in the
other place are found there by `moved_captures.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from ....persistence.threads import in_thread
from .git import CaptureFailed, Git
from .own_files import OwnFiles
from .scratch import CaptureLimits, Layout
from .shadow import own_paths, shadow_layout

_NO_REPOSITORY: Final = ("not a git repository", "invalid gitfile format")
_EXIT_FATAL: Final = 128
_UNTRUSTED: Final = ("dubious ownership", "unsafe repository")
_ADVICE: Final = (
    "\nAnother user owns the repository. Name it in safe.directory, in the configuration of the user that runs the host"
    " or in GIT_CONFIG_COUNT, GIT_CONFIG_KEY_0 and GIT_CONFIG_VALUE_0 of the host's environment."
)


async def find_layout(git: Git, database: Path | None, limits: CaptureLimits, *, makes_shadow: bool) -> Layout | None:
    """Where the workspace at `git.directory` is captured; None where it cannot be.

    Raises:
        CaptureFailed: the repository is there but git refuses it, a shadow repository cannot be made, or the workspace
            lies in the runtime's own files.
    """
    shadow = None
    if database is not None:
        if await in_thread(_is_in_own_files, database, git.directory):
            fault = "it lies in the runtime's own files: choose another workspace"
            raise CaptureFailed("open", git.directory, fault)
        shadow = await shadow_layout(git, git.directory, database, limits, makes=False)
    has_captures = shadow is not None and await in_thread(shadow.warm_index.exists)
    try:
        around, may_have_shadow = await _repository_around(git, database, limits)
    except CaptureFailed:
        if not has_captures:
            raise
        around, may_have_shadow = None, True
    if around is not None and not (has_captures and not await in_thread(around.warm_index.exists)):
        return around
    if database is None or (around is None and not may_have_shadow):
        return None
    return shadow or await shadow_layout(git, git.directory, database, limits, makes=makes_shadow)


async def other_layouts(git: Git, workspace: Path, layout: Layout) -> list[Layout]:
    """The other repositories that may have captures of a workspace: its shadow, and those of directories above.

    A repository that belongs to another user is none of them.
    """
    found = []
    if layout.database is not None and not layout.is_shadow:
        shadow = await shadow_layout(git, workspace, layout.database, layout.limits, makes=False)
        found += [] if shadow is None else [shadow]
    place = Path(await in_thread(os.path.realpath, workspace))
    for top in await in_thread(_tops, place):
        asked = attrs.evolve(git, directory=top, variables={"GIT_DIR": str(top / ".git"), "GIT_WORK_TREE": str(top)})
        try:
            git_dir = Path(await _ask(asked, "--absolute-git-dir"))
            if git_dir != layout.git_dir:
                relative = str(place.relative_to(top))
                found.append(
                    Layout(
                        top=top,
                        prefix="" if relative == os.curdir else f"{relative}/",
                        git_dir=git_dir,
                        common_dir=Path(await _ask(asked, "--git-common-dir")),
                        object_format=await _ask(asked, "--show-object-format"),
                        limits=layout.limits,
                    )
                )
        except CaptureFailed:
            continue
    return found


async def _repository_around(git: Git, database: Path | None, limits: CaptureLimits) -> tuple[Layout | None, bool]:
    """The repository around `git.directory`; where there is none, whether a shadow repository may stand for it."""
    inside = await git.run("rev-parse", "--is-inside-work-tree", "--is-inside-git-dir", codes=(0, _EXIT_FATAL))
    if inside.code == _EXIT_FATAL:
        if any(sign in inside.errors for sign in _NO_REPOSITORY):
            return None, True
        advice = _ADVICE if any(sign in inside.errors for sign in _UNTRUSTED) else ""
        raise CaptureFailed("rev-parse", git.directory, inside.errors + advice)
    in_work_tree, in_git_dir = inside.output.split()
    if in_work_tree != b"true":
        return None, in_git_dir != b"true"
    top = Path(await _ask(git, "--show-toplevel"))
    layout = Layout(
        top=top,
        prefix=await _ask(git, "--show-prefix"),
        git_dir=Path(await _ask(git, "--absolute-git-dir")),
        common_dir=Path(await _ask(git, "--git-common-dir")),
        object_format=await _ask(git, "--show-object-format"),
        database=database,
        own_paths=() if database is None else await in_thread(own_paths, database, top),
        limits=limits,
    )
    return layout, True


async def _ask(git: Git, question: str) -> str:
    """One question at a time: a path may hold a newline."""
    answer = await git.run("rev-parse", "--path-format=absolute", question)
    return os.fsdecode(answer.output.removesuffix(b"\n"))


def _tops(place: Path) -> list[Path]:
    return list(_with_repositories(place))


def _with_repositories(place: Path) -> Iterator[Path]:
    """The directory and those above it that have a `.git` of this user."""
    for directory in (place, *place.parents):
        try:
            facts = os.lstat(directory / ".git")
        except OSError:
            continue
        if facts.st_uid == os.geteuid():
            yield directory


def _is_in_own_files(database: Path, workspace: Path) -> bool:
    return OwnFiles.look(workspace, database).holds(os.path.realpath(workspace))
