"""Workspaces as tests of captures open them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrion.actors.workspace import Capture, CaptureLimits, GitWorkspace, checkpoint_ref
from orchestrion.runtime.contracts.ids import ThreadId
from orchestrion.runtime.contracts.values import ChangedFile, Count, FileChangeKind, Label

THREAD: Final = ThreadId("thread-1")


async def opened(path: Path, *, limits: CaptureLimits | None = None, database: Path | None = None) -> GitWorkspace:
    workspace = await GitWorkspace.open(path, limits=limits, database=database)
    assert workspace is not None
    return workspace


async def captured(path: Path, turn_count: int = 1) -> Capture:
    """The end of a turn, captured."""
    return await (await opened(path)).capture(checkpoint_ref(THREAD, turn_count), f"turn {turn_count}")


def changed(path: str, kind: FileChangeKind, additions: int, deletions: int) -> ChangedFile:
    return ChangedFile(path=Label(path), kind=kind, additions=Count(additions), deletions=Count(deletions))
