"""A turn and where it works: what a capture is asked for."""

from __future__ import annotations

from pathlib import Path

import attrs

from ...contracts.ids import CommandId, ThreadId, TurnId


@attrs.frozen(kw_only=True)
class TurnWorkspace:
    """A turn of a thread, the workspace it works in, and the client command at its root."""

    thread_id: ThreadId
    turn_id: TurnId
    turn_count: int
    path: Path
    correlation_id: CommandId | None = None
