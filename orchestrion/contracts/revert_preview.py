"""What a revert would do to a workspace, and what of it is not the thread's own work. Plain data."""

from __future__ import annotations

from typing import Final

import attrs

from .ids import ThreadId
from .values import JsonObject

SHOWN_PATHS: Final = 50
"""How many paths a history names of each kind; the counts are whole."""


@attrs.frozen(kw_only=True)
class OthersWork:
    """Files that turns of another thread changed and the revert would change again, by their paths in the work tree."""

    thread_id: ThreadId
    turn_counts: tuple[int, ...]
    paths: tuple[str, ...]
    is_live: bool = True
    """False for a thread that is deleted."""


@attrs.frozen(kw_only=True)
class RevertPreview:
    """The files that a revert would write and remove, and what of it others would lose.

    `others` are other threads whose turns changed some of these files since; `outside` are those that changed outside
    any turn that is known: a user's own edits, other programs, other databases' threads. A revert is refused while one
    of them is not empty, unless its command has `revertOthers`. `left_alone` differ, or may, and stay as they are.
    """

    thread_id: ThreadId
    turn_count: int
    workspace: str
    written: tuple[str, ...]
    removed: tuple[str, ...]
    left_alone: tuple[str, ...]
    others: tuple[OthersWork, ...]
    outside: tuple[str, ...]

    @property
    def undoes_others(self) -> bool:
        """Whether the revert needs `revertOthers`."""
        return bool(self.others or self.outside)

    @property
    def others_paths(self) -> tuple[str, ...]:
        """Every path that is not the thread's own work, once."""
        return tuple(sorted({*self.outside, *(path for one in self.others for path in one.paths)}))


def undone_payload(preview: RevertPreview) -> JsonObject:
    """What a revert undoes of others' work, as payload of an activity."""
    return {
        "others": [
            {
                "threadId": one.thread_id,
                "turnCounts": list(one.turn_counts[:SHOWN_PATHS]),
                "paths": list(one.paths[:SHOWN_PATHS]),
                "files": len(one.paths),
            }
            for one in preview.others[:SHOWN_PATHS]
        ],
        "outside": {"paths": list(preview.outside[:SHOWN_PATHS]), "files": len(preview.outside)},
    }
