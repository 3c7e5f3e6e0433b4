"""Shadow repositories: where the captures of a workspace without a repository are kept.

`<database>.checkpoints/` beside the database has one bare repository for each such workspace, named by a digest of the
workspace's path; its file `workspace` says the path. Its file `directories` has the device and inode of each directory
that it was used for: so a workspace that was renamed finds its repository under the new path, also where another
directory has taken the old one. A directory that was deleted and made again at its path keeps the repository.
Nothing is ever written into the workspace by a capture.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from ....persistence.own_names import own_names
from ....persistence.threads import in_thread
from ...shields import shield
from .git import CaptureFailed, Git
from .scratch import CaptureLimits, Layout, remove_leftovers

OBJECT_FORMAT: Final = "sha1"
_NAMED_BY: Final = "workspace"
_USED_FOR: Final = "directories"
_ASIDE: Final = "making-"


def shadow_home(database: Path) -> Path:
    """The directory of a database's shadow repositories."""
    return database.with_name(f"{database.name}.checkpoints")


def workspace_of(place: Path) -> Path | None:
    """The workspace that a shadow repository was made for; None where it does not say."""
    try:
        return Path(os.fsdecode((place / _NAMED_BY).read_bytes()))
    except (OSError, ValueError):
        return None


def own_paths(database: Path, top: Path) -> tuple[bytes, ...]:
    """The files of a database that lie below `top`, as paths from there, where they bear their usual names."""
    place = Path(os.path.relpath(os.path.realpath(database), os.path.realpath(top)))
    if place.parts[0] == os.pardir:
        return ()
    return tuple(os.fsencode(place.with_name(name)) for name in own_names(place.name))


async def shadow_layout(
    git: Git, workspace: Path, database: Path, limits: CaptureLimits, *, makes: bool
) -> Layout | None:
    """The layout of a workspace without a repository. Its shadow repository is made if it is not there and `makes`.

    Raises:
        CaptureFailed: the repository cannot be made.
    """
    top = Path(await in_thread(os.path.realpath, workspace))
    place = await in_thread(_find, shadow_home(database), top)
    if not await in_thread(place.is_dir):
        if not makes:
            return None
        await _make(git, top, place)
    await in_thread(_note_use, top, place)
    return Layout(
        top=top,
        prefix="",
        git_dir=place,
        common_dir=place,
        object_format=OBJECT_FORMAT,
        database=database,
        own_paths=own_paths(database, top),
        limits=limits,
        is_shadow=True,
    )


def _find(home: Path, top: Path) -> Path:
    """The repository that was used for this directory, else the one that its path names, whether it is there or not.

    Inodes are used again: a directory in another git work tree is not taken for one that had a shadow repository.
    """
    named = home / f"{hashlib.sha256(os.fsencode(top)).hexdigest()[:32]}.git"
    identity = _identity(top)
    if identity is None or identity in _recorded_workspaces(named):
        return named
    if any((directory / ".git").exists() for directory in (top, *top.parents)):
        return named
    return next((one for one in sorted(home.glob("*.git")) if identity in _recorded_workspaces(one)), named)


def _note_use(top: Path, place: Path) -> None:
    """Note that the repository is used for this directory. A note that cannot be written is written next time."""
    identity = _identity(top)
    known = _recorded_workspaces(place)
    if identity is None or identity in known:
        return
    with suppress(OSError), (place / _USED_FOR).open("a", encoding="ascii") as notes:
        notes.write(f"{identity}\n")


def _recorded_workspaces(place: Path) -> list[str]:
    try:
        return (place / _USED_FOR).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeError):
        return []


def _identity(top: Path) -> str | None:
    try:
        facts = top.stat()
    except OSError:
        return None
    return f"{facts.st_dev}:{facts.st_ino}"


async def _make(git: Git, top: Path, place: Path) -> None:
    """Make the repository aside and move it into place whole; one that came meanwhile is as good."""
    try:
        aside = await in_thread(_make_directory_aside, place)
        try:
            made = attrs.evolve(git, directory=aside, variables={"GIT_DIR": str(aside)})
            await made.run("init", "-q", "--bare", "--template=", f"--object-format={OBJECT_FORMAT}")
            await made.run("config", "core.bare", "false")
            await in_thread((aside / _NAMED_BY).write_bytes, os.fsencode(top))
            await in_thread(_move, aside, place)
        finally:
            with shield():
                await in_thread(partial(shutil.rmtree, aside, ignore_errors=True))
    except OSError as fault:
        raise CaptureFailed("init", top, str(fault)) from fault


def _make_directory_aside(place: Path) -> Path:
    place.parent.mkdir(mode=0o700, exist_ok=True)
    remove_leftovers(place.parent, f"{_ASIDE}*")
    return Path(tempfile.mkdtemp(prefix=_ASIDE, dir=place.parent))


def _move(aside: Path, place: Path) -> None:
    try:
        aside.rename(place)
    except OSError:
        if not place.is_dir():
            raise
