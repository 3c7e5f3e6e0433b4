"""Which directory a path leads to: told by device and inode, since a path may lead to another one later."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs

from ...contracts.errors import WorkspaceUnusable
from ...persistence.threads import in_thread


@attrs.frozen
class WorkspaceIdentity:
    """A directory as it was found at a path."""

    path: Path
    device: int
    inode: int

    def is_same_directory(self, other: WorkspaceIdentity) -> bool:
        return (self.device, self.inode) == (other.device, other.inode)


async def identify(path: Path) -> WorkspaceIdentity:
    """The directory that the path leads to now.

    Raises:
        WorkspaceUnusable: there is none, or it cannot be entered.
    """
    return await in_thread(_identify, path, abandon=True)


async def leads_to_same_directory(place: WorkspaceIdentity, found: WorkspaceIdentity) -> bool:
    """Whether an agent that was started at `place` works in the directory that was `found`, by the path it knows."""
    if not place.is_same_directory(found):
        again = await identify(found.path)
        return not again.is_same_directory(found)  # a file system whose inode numbers do not last tells nothing
    if place.path == found.path:
        return True
    try:
        return (await identify(place.path)).is_same_directory(found)
    except WorkspaceUnusable:
        return False


def _identify(path: Path) -> WorkspaceIdentity:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise WorkspaceUnusable(_unusable(path, "there is no such directory")) from None
    except (OSError, ValueError) as error:
        raise WorkspaceUnusable(_unusable(path, str(error))) from error
    if not stat.S_ISDIR(found.st_mode):
        raise WorkspaceUnusable(_unusable(path, "it is no directory"))
    if not os.access(path, os.X_OK):
        raise WorkspaceUnusable(_unusable(path, "it may not be entered"))
    return WorkspaceIdentity(path, found.st_dev, found.st_ino)


def _unusable(path: Path, why: str) -> str:
    return f"the workspace {path} cannot be used: {why}; put it back, or move the thread by thread.meta.update"
