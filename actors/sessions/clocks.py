"""The clocks of a session: which have expired, and how long until the next does. Times are the event loop's.

The session's state determines which clocks run (`clocks_of`).

- Heartbeat: a live session records that it is alive, for readers of the database.
- Backoff: an agent that failed is started again only after a wait, which doubles with each failure in a row.
- Escalation: an agent that was interrupted has to end its turn. While it sends events it has longer.
- Silence: a running turn has to send events, unless an approval or a tool call is open.
- Retirement: an agent without a turn is ended after a while, unless its conversation would be lost with it.

Escalation and silence end an agent that sends nothing, so they count only time in which its events could be read. A
wait that ended late (a blocked event loop, a paused host) does not count. A deadline that has passed is judged only
after one more wait that ended in time, so that the reader could read what had arrived. If several such waits end late,
the event loop is never served in time, and the deadline is judged anyway.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from ...domain.session.states import Clock
from ..backoff import Backoff
from ..providers.session_limits import SessionLimits
from ..served_time import ServedTime, confirmation

ESCALATIONS: Final = 3
"""How many interrupt deadlines an agent gets that still sends events while it ends its turn."""

_MOST_CONFIRMATIONS: Final = 5

_CONFIRMED: Final[tuple[Clock, ...]] = ("escalation", "silence")


class TimedRun(Protocol):
    """The run's times that the clocks use."""

    @property
    def waits_for_others(self) -> bool: ...

    @property
    def last_heard_at(self) -> float: ...

    @property
    def idle_since(self) -> float: ...


class SessionClocks:
    """Owned by one session."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._heartbeat_at = -math.inf
        self._time = ServedTime()
        self._began: dict[Clock, float] = {}
        self._lost_before: dict[Clock, float] = {}
        self._failures = 0
        self._heard_at = -math.inf
        self._lost_before_heard = 0.0
        self._passed: dict[Clock, float] = {}

    def watch(self, clocks: frozenset[Clock], now: float, *, failures: int = 0) -> None:
        """Run exactly these clocks: those that run already continue, the others start, the rest stop."""
        self._failures = failures
        for clock in self._began.keys() - clocks:
            del self._began[clock]
            self._passed.pop(clock, None)
        for clock in clocks - self._began.keys():
            self._began[clock] = now
            self._lost_before[clock] = self._time.lost

    def heartbeat_sent(self, now: float) -> None:
        """A heartbeat was recorded."""
        self._heartbeat_at = now

    def served(self, now: float) -> None:
        """The session's wait has ended. The time by which it ended late does not count as silence."""
        if self._time.record_wake(now):
            self._passed.clear()

    def due(self, run: TimedRun | None, now: float) -> frozenset[Clock]:
        """The clocks that have expired. A clock that ends an agent expires at the second check after its deadline."""
        due: set[Clock] = set()
        for clock, deadline in self._deadlines(run).items():
            if deadline > now:
                self._passed.pop(clock, None)
            elif clock not in _CONFIRMED or now >= self._judged_at(clock, deadline, now):
                due.add(clock)
        return frozenset(due)

    def seconds_to_next(self, run: TimedRun | None, now: float) -> float:
        """Seconds until the next clock expires or is checked again; infinity if none runs."""
        deadlines = self._deadlines(run)
        again = {clock: self._passed[clock] + self._confirmation(clock) for clock in deadlines if clock in self._passed}
        planned = max(now, min({**deadlines, **again}.values(), default=math.inf))
        self._time.wait_until(planned)
        return planned - now

    def _judged_at(self, clock: Clock, deadline: float, now: float) -> float:
        pause = self._confirmation(clock)
        return min(self._passed.setdefault(clock, now) + pause, deadline + _MOST_CONFIRMATIONS * pause)

    def _confirmation(self, clock: Clock) -> float:
        limits = self._limits
        deadline = limits.interrupt_deadline if clock == "escalation" else limits.inactivity_deadline
        return confirmation(deadline)

    def _deadlines(self, run: TimedRun | None) -> dict[Clock, float]:
        limits, began = self._limits, self._began
        deadlines: dict[Clock, float] = {}
        if "backoff" in began:
            deadlines["backoff"] = began["backoff"] + backoff_seconds(self._failures, limits)
        if run is None:
            return deadlines
        if "heartbeat" in began:
            deadlines["heartbeat"] = max(began["heartbeat"], self._heartbeat_at) + limits.heartbeat_interval
        if "retirement" in began and not run.waits_for_others:
            deadlines["retirement"] = run.idle_since + limits.idle_timeout
        heard_at = run.last_heard_at
        if heard_at != self._heard_at:
            self._heard_at, self._lost_before_heard = heard_at, self._time.lost
        if "escalation" in began:
            asked = began["escalation"]
            last = asked + ESCALATIONS * limits.interrupt_deadline
            ends = min(max(asked, heard_at) + limits.interrupt_deadline, last)
            deadlines["escalation"] = ends + self._time.lost - self._lost_before["escalation"]
        if "silence" in began and not run.waits_for_others:
            lost = self._time.lost - self._lost_before_heard
            deadlines["silence"] = heard_at + limits.inactivity_deadline + lost
        return deadlines


def backoff_seconds(failures: int, limits: SessionLimits) -> float:
    """Seconds to wait before an agent is started again after so many failures in a row."""
    backoff = Backoff(first_seconds=limits.restart_backoff, longest_seconds=limits.longest_restart_backoff)
    return backoff.seconds(failures)
