"""The clocks of a provider session: what is due, and how long until something is. Times are the event loop's.

- Heartbeat: a live session says so, so that a reader of the database sees that it lives.
- Escalation: an agent that was interrupted has to end its turn.
- Silence: a running turn has to be heard of, unless an approval or a tool is open.
- Retirement: an agent without a turn is not kept for ever.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol, TypeAlias

from ..runtime.contracts.ids import TurnId
from .session_limits import SessionLimits

Clock: TypeAlias = Literal["heartbeat", "escalation", "silence", "retirement"]


class TimedLife(Protocol):
    """What the clocks look at."""

    @property
    def running_turn_id(self) -> TurnId | None: ...

    @property
    def waits_for_others(self) -> bool: ...

    @property
    def heard_at(self) -> float: ...

    @property
    def idle_since(self) -> float: ...


class SessionClocks:
    """Owned by one session."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._beaten_at = -math.inf
        self._interrupted_at: float | None = None

    @property
    def is_interrupting(self) -> bool:
        return self._interrupted_at is not None

    def beaten(self, now: float) -> None:
        """The session has said that it lives."""
        self._beaten_at = now

    def interrupted(self, now: float) -> None:
        """The running turn was asked to end. Asking again does not put its end off."""
        if self._interrupted_at is None:
            self._interrupted_at = now

    def turn_ended(self) -> None:
        self._interrupted_at = None

    def due(self, life: TimedLife, now: float) -> frozenset[Clock]:
        """The clocks that have run out."""
        return frozenset(clock for clock, deadline in self._deadlines(life).items() if deadline <= now)

    def seconds_to_next(self, life: TimedLife | None, now: float) -> float:
        """How long until the next one runs out; without an agent there is none to wait for."""
        if life is None:
            return math.inf
        return max(0.0, min(self._deadlines(life).values()) - now)

    def _deadlines(self, life: TimedLife) -> dict[Clock, float]:
        limits = self._limits
        deadlines: dict[Clock, float] = {"heartbeat": self._beaten_at + limits.heartbeat_interval}
        if life.running_turn_id is None:
            deadlines["retirement"] = life.idle_since + limits.idle_timeout
            return deadlines
        if self._interrupted_at is not None:
            deadlines["escalation"] = self._interrupted_at + limits.interrupt_deadline
        if not life.waits_for_others:
            deadlines["silence"] = life.heard_at + limits.inactivity_deadline
        return deadlines
