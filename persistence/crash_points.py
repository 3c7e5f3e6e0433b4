"""Crash points: named places at which a test lets the host die, as if by SIGKILL from outside.

Off they cost one look into an empty dictionary. A test process arms them by its environment, once, when this module is
imported: `ORCHESTRION_CRASH_AT=append.receipts-written:3` kills the process when that point is reached for the third
time. Nothing runs after the signal: no handler, no `finally`, no flush.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

VARIABLE: Final = "ORCHESTRION_CRASH_AT"
"""`NAME` or `NAME:N`, several separated by commas. The N-th time that a point is reached ends the process."""

CrashPoint: TypeAlias = Literal[
    "migration.ledger-checked",
    "migration.one-applied",
    "migration.committed",
    "replay.rows-written",
    "replay.page-applied",
    "rebuild.replayed",
    "rebuild.one-swapped",
    "rebuild.committed",
    "recovery.agents-ended",
    "recovery.settled",
    "recovery.published",
    "command.decided",
    "append.events-written",
    "append.receipts-written",
    "append.committed",
    "dispatch.committed",
    "dispatch.published",
    "projector.rows-written",
    "projector.position-written",
    "projector.committed",
    "reactor.position-written",
    "session.recorded",
    "session.bound",
    "session.connected",
    "turn.baseline-captured",
    "turn.claimed",
    "turn.handed-over",
    "turn.ended",
    "interrupt.sent",
    "steer.delivered",
    "approval.answered",
    "checkpoint.end-captured",
    "checkpoint.diff-stored",
    "checkpoint.reported",
    "revert.safety-kept",
    "revert.files-cleared",
    "revert.files-restored",
    "revert.agent-followed",
    "revert.completed",
    "blob.written",
    "blob.stored",
    "backup.copied",
    "backup.linked",
]

CRASH_POINTS: Final[tuple[CrashPoint, ...]] = get_args(CrashPoint)
"""Every name, in the order in which a host reaches them; at the end those of attachments, and those of a backup, which
is no host's."""


def crash_point(name: CrashPoint) -> None:
    """Die here, if this is the armed time that the point is reached."""
    if name in _left:
        _reached(name)


def _reached(name: str) -> None:
    _left[name] -= 1
    if _left[name] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _armed(environment: Mapping[str, str]) -> dict[str, int]:
    """How often each armed point has still to be reached.

    Raises:
        ValueError: a name is no crash point: a test that arms it would prove nothing.
    """
    left: dict[str, int] = {}
    for entry in filter(None, environment.get(VARIABLE, "").split(",")):
        name, _, times = entry.partition(":")
        if name not in CRASH_POINTS:
            raise ValueError(f"{VARIABLE} names {name!r}, which is no crash point")
        left[name] = int(times or "1")
    return left


_left: Final = _armed(os.environ)
