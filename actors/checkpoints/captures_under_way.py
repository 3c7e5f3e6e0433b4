"""What captures may take, and what those under way say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import anyio
import attrs

from ...contracts.ids import ThreadId, TurnId
from .turn_workspace import TurnWorkspace

TurnEdge: TypeAlias = Literal["start", "end"]

CaptureStep: TypeAlias = Literal["waiting", "recording", "comparing", "reporting"]
"""`waiting` for the thread's capture before, or for a revert; `recording` the files; `comparing` them with the turn's
start; `reporting` what was found to the thread."""


@attrs.frozen(kw_only=True)
class CaptureBudget:
    """How long captures may take once they began. All durations are seconds.

    One that is over it is given up: `checkpoint.capture.failed` reports it to the thread, and the turn's checkpoint is
    `error`.
    """

    start: float = 120.0
    """Of a turn's start: the turn's hand-over waits for it."""
    end: float = 600.0
    """Of a turn's end, its diffs included: it runs beside the session, and the thread's next hand-over waits for it."""


@attrs.frozen(kw_only=True)
class CaptureHealth:
    """A capture under way: of which turn's start or end, what it does now, and for how long it is under way."""

    thread_id: ThreadId
    turn_id: TurnId
    turn_count: int
    of: TurnEdge
    step: CaptureStep
    seconds: float


class CapturesUnderWay:
    """The captures of one runtime that are under way. Belongs to the event loop."""

    def __init__(self) -> None:
        self._all: list[CaptureUnderWay] = []

    @contextmanager
    def begin(self, turn: TurnWorkspace, of: TurnEdge) -> Iterator[CaptureUnderWay]:
        """A capture is under way for as long as the block runs. It waits at first."""
        capture = CaptureUnderWay(turn=turn, of=of)
        self._all.append(capture)
        try:
            yield capture
        finally:
            self._all.remove(capture)

    def health(self) -> tuple[CaptureHealth, ...]:
        """Those under way, the longest first."""
        return tuple(capture.health() for capture in self._all)


@attrs.define(eq=False, kw_only=True)
class CaptureUnderWay:
    """One capture; the code that performs it sets `step`."""

    turn: TurnWorkspace
    of: TurnEdge
    step: CaptureStep = "waiting"
    began_at: float = attrs.field(factory=anyio.current_time)

    def health(self) -> CaptureHealth:
        return CaptureHealth(
            thread_id=self.turn.thread_id,
            turn_id=self.turn.turn_id,
            turn_count=self.turn.turn_count,
            of=self.of,
            step=self.step,
            seconds=anyio.current_time() - self.began_at,
        )
