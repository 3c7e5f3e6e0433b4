"""Activities of the checkpointer beside checkpoints: a failed capture, a shared workspace, a missing git.

A store that does not take a line costs the line alone.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Final, Literal

import attrs

from ...contracts.errors import OrchestrionError
from ...contracts.ids import ThreadId, runtime_id
from ...contracts.mint import Mint
from ...contracts.values import JsonObject, Tone
from ..log.command_sender import CommandSender
from ..log.thread_lines import thread_line
from .git import GitUnavailable, SkippedPaths
from .turn_workspace import TurnWorkspace

_NAMED_PATHS: Final = 50
_NAMED_CHARACTERS: Final = 300
_THREADS_REMEMBERED: Final = 1000

_logger = logging.getLogger(__name__)


@attrs.frozen
class CaptureNotes:
    """Activities in the histories of threads. Each is appended once, however often it is reported."""

    _sender: CommandSender
    _mint: Mint
    _reported: dict[ThreadId, SkippedPaths] = attrs.field(factory=dict)
    """What captures skipped, as last reported to each thread."""

    async def workspace_shared(self, turn: TurnWorkspace, met: frozenset[ThreadId]) -> None:
        if not met:
            return
        others = sorted(met)
        await self._append(
            turn,
            runtime_id("checkpoint", "shared", turn.turn_id),
            tone="info",
            kind="checkpoint.workspace.shared",
            summary=f"Other threads worked here during turn {turn.turn_count}: its diff may show their edits",
            payload={"turnCount": turn.turn_count, "threadIds": list(others)},
        )

    async def capture_failed(self, turn: TurnWorkspace, what: Literal["start", "end"], error: Exception) -> None:
        said = "the %s of turn %s of thread %s: %s"
        ids = {"thread_id": turn.thread_id, "turn_id": turn.turn_id}
        _logger.warning(said, what, turn.turn_id, turn.thread_id, error, exc_info=error, extra=ids)
        await self._append(
            turn,
            runtime_id("checkpoint", f"{what}-failed", turn.turn_id),
            kind="checkpoint.capture.failed",
            summary=f"The {what} of turn {turn.turn_count} could not be captured: {str(error)[:_NAMED_CHARACTERS]}",
            payload={"turnCount": turn.turn_count, "error": str(error)},
        )

    async def start_missing(self, turn: TurnWorkspace) -> None:
        """The end was captured, but there is nothing to compare it with."""
        await self._append(
            turn,
            runtime_id("checkpoint", "start-missing", turn.turn_id),
            kind="checkpoint.capture.failed",
            summary=f"Turn {turn.turn_count} has no diff: the capture of its start is not there",
            payload={
                "turnCount": turn.turn_count,
                "error": "it failed, or the repository that kept it was removed or replaced during the turn",
            },
        )

    async def capture_skipped(self, turn: TurnWorkspace, skipped: SkippedPaths) -> None:
        """Name what the turn's checkpoint does not have, unless that was reported last."""
        if self._reported.get(turn.thread_id, SkippedPaths()) == skipped:
            return
        if len(self._reported) >= _THREADS_REMEMBERED:
            self._reported.clear()
        self._reported[turn.thread_id] = skipped
        if not skipped:
            return
        count = len(skipped.reasons)
        listed = ", ".join(f"{number} {reason}" for reason, number in skipped.counts.items())
        named = [
            {"path": path.decode("utf-8", "replace")[:_NAMED_CHARACTERS], "reason": reason}
            for path, reason in sorted(skipped.reasons.items(), key=lambda one: (one[0] not in skipped.unknown, one[0]))
        ]
        await self._append(
            turn,
            runtime_id("checkpoint", "skipped", turn.turn_id),
            tone="info",
            kind="capture.skipped",
            summary=f"The checkpoint of turn {turn.turn_count} leaves out {count} {_paths(count)}: {listed}",
            payload={
                "turnCount": turn.turn_count,
                "count": count,
                "reasons": dict(skipped.counts),
                "paths": list(named[:_NAMED_PATHS]),
            },
        )

    async def no_git(self, turn: TurnWorkspace, error: GitUnavailable) -> None:
        """Report it once per thread, over all runtimes: the command's id is derived from the thread's."""
        digest = hashlib.blake2b(turn.thread_id.encode("utf-8", "replace"), digest_size=16).hexdigest()
        await self._append(
            turn,
            runtime_id("checkpoint", "unavailable", digest),
            kind="checkpoint.unavailable",
            summary=f"There are no checkpoints: {error}",
            payload={"turnCount": turn.turn_count, "error": str(error)},
        )

    async def _append(
        self, turn: TurnWorkspace, key: str, *, kind: str, summary: str, payload: JsonObject, tone: Tone = "error"
    ) -> None:
        line = thread_line(
            key, turn.thread_id, tone=tone, kind=kind, summary=summary, payload=payload, now=self._mint.now()
        )
        try:
            await self._sender.send(line, correlation_id=turn.correlation_id)
        except OrchestrionError as failure:
            ids = {"thread_id": turn.thread_id, "command_id": key}
            _logger.warning("%s was not reported in thread %s: %s", key, turn.thread_id, failure, extra=ids)


def _paths(count: int) -> str:
    return "path" if count == 1 else "paths"
