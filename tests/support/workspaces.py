"""Workspaces as tests of captures open them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from orchestrion.actors.checkpoints.git import Capture, CaptureLimits, GitWorkspace, RefNames, checkpoint_ref
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.values import ChangedFile, Count, FileChangeKind, Label
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.identity import read_identity

THREAD: Final = ThreadId("thread-1")


async def opened(path: Path, *, limits: CaptureLimits | None = None, database: Path | None = None) -> GitWorkspace:
    workspace = await GitWorkspace.open(path, limits=limits, database=database)
    assert workspace is not None
    return workspace


def names_of(database: Path) -> RefNames:
    """The names of the refs of a database that a runtime with providers has opened."""
    with closing(open_reader(database)) as opened:
        identity = read_identity(opened, database)
    assert identity is not None
    assert identity.is_here
    return RefNames(database=identity.id)


async def captured(path: Path, turn_count: int = 1) -> Capture:
    """The captured end of a turn."""
    return await (await opened(path)).capture(checkpoint_ref(THREAD, turn_count), f"turn {turn_count}")


def changed(path: str, kind: FileChangeKind, additions: int, deletions: int) -> ChangedFile:
    return ChangedFile(path=Label(path), kind=kind, additions=Count(additions), deletions=Count(deletions))
