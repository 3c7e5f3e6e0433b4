"""What the shadow repositories of a database take: a host bounds them by looking, and by pruning checkpoints."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs

from .shadow import shadow_home, workspace_of


@attrs.frozen(kw_only=True)
class ShadowStats:
    """A shadow repository. `workspace` is empty where it does not say whose it is.

    `workspace_exists`: whether there is a directory at that path. A renamed one is at another path.
    """

    name: str
    workspace: str
    workspace_exists: bool
    bytes: int


def read_shadow_stats(database: Path) -> tuple[ShadowStats, ...]:
    """The shadow repositories of a database, the largest first. Captures may run meanwhile. Blocks."""
    found = []
    for place in shadow_home(database).glob("*.git"):
        workspace = workspace_of(place)
        found.append(
            ShadowStats(
                name=place.name,
                workspace="" if workspace is None else os.fsencode(workspace).decode("utf-8", "replace"),
                workspace_exists=workspace is not None and workspace.is_dir(),
                bytes=_bytes_below(place),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.name)))


def _bytes_below(directory: Path) -> int:
    size = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                facts = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            size += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    return size
