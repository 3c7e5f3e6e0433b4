"""The clocks of a provider session: what is due, and how long until something is. Times are the event loop's.

- Heartbeat: a live session says so, so that a reader of the database sees that it lives.
- Escalation: an agent that was interrupted has to end its turn. While it still speaks it has longer, up to a bound.
- Silence: a running turn has to be heard of, unless an approval or a tool is open.
- Retirement: an agent without a turn is not kept for ever, unless its conversation would be lost with it.

Escalation and silence end an agent for what it did not do, so they count only time in which it could be heard. A wait
that ended late (a blocked event loop, a paused host) does not count, and a deadline that has passed is judged only
after one more wait, served in time, in which the reader could read what had arrived.
"""

from __future__ import annotations

import math
from typing import Final, Literal, Protocol, TypeAlias

from ...contracts.ids import TurnId
from ..providers.session_limits import SessionLimits
from ..served_time import ServedTime, confirmation

Clock: TypeAlias = Literal["heartbeat", "escalation", "silence", "retirement"]

ESCALATIONS: Final = 3
"""How many interrupt deadlines an agent gets that still speaks while it ends its turn."""

_CONFIRMED: Final[tuple[Clock, ...]] = ("escalation", "silence")


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

    @property
    def may_retire(self) -> bool: ...


class SessionClocks:
    """Owned by one session."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._heartbeat_at = -math.inf
        self._interrupted_at: float | None = None
        self._time = ServedTime()
        self._lost_before_interrupt = 0.0
        self._heard_at = -math.inf
        self._lost_before_heard = 0.0
        self._passed: dict[Clock, float] = {}

    @property
    def is_interrupting(self) -> bool:
        return self._interrupted_at is not None

    def heartbeat_sent(self, now: float) -> None:
        """The session has said that it lives."""
        self._heartbeat_at = now

    def interrupted(self, now: float) -> None:
        """The running turn was asked to end. Asking again does not put its end off."""
        if self._interrupted_at is None:
            self._interrupted_at = now
            self._lost_before_interrupt = self._time.lost

    def turn_ended(self) -> None:
        self._interrupted_at = None
        self._passed.clear()

    def served(self, now: float) -> None:
        """The session's wait has ended. What it ended late by is nobody's silence."""
        if self._time.woke(now):
            self._passed.clear()

    def due(self, life: TimedLife, now: float) -> frozenset[Clock]:
        """The clocks that have run out. What ends an agent runs out the second time that it is looked at."""
        due: set[Clock] = set()
        for clock, deadline in self._deadlines(life).items():
            if deadline > now:
                self._passed.pop(clock, None)
            elif clock not in _CONFIRMED or now >= self._passed.setdefault(clock, now) + self._confirmation(clock):
                due.add(clock)
        return frozenset(due)

    def seconds_to_next(self, life: TimedLife | None, now: float) -> float:
        """How long until the next one runs out or is looked at again; without an agent there is none to wait for."""
        if life is None:
            self._time.wait_until(math.inf)
            return math.inf
        deadlines = self._deadlines(life)
        again = {clock: self._passed[clock] + self._confirmation(clock) for clock in deadlines if clock in self._passed}
        planned = max(now, min({**deadlines, **again}.values()))
        self._time.wait_until(planned)
        return planned - now

    def _confirmation(self, clock: Clock) -> float:
        limits = self._limits
        deadline = limits.interrupt_deadline if clock == "escalation" else limits.inactivity_deadline
        return confirmation(deadline)

    def _deadlines(self, life: TimedLife) -> dict[Clock, float]:
        limits = self._limits
        deadlines: dict[Clock, float] = {"heartbeat": self._heartbeat_at + limits.heartbeat_interval}
        if life.running_turn_id is None:
            if life.may_retire and not life.waits_for_others:
                deadlines["retirement"] = life.idle_since + limits.idle_timeout
            return deadlines
        if life.heard_at != self._heard_at:
            self._heard_at, self._lost_before_heard = life.heard_at, self._time.lost
        if self._interrupted_at is not None:
            asked = self._interrupted_at
            last = asked + ESCALATIONS * limits.interrupt_deadline
            ends = min(max(asked, life.heard_at) + limits.interrupt_deadline, last)
            deadlines["escalation"] = ends + self._time.lost - self._lost_before_interrupt
        if not life.waits_for_others:
            lost = self._time.lost - self._lost_before_heard
            deadlines["silence"] = life.heard_at + limits.inactivity_deadline + lost
        return deadlines
