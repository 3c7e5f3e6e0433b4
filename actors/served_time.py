"""Deadlines that count only time in which the event loop was served.

A host may block its event loop with its own code, for seconds. Meanwhile the runtime cannot read output that an agent
or git has already sent. So a deadline on the work of others counts served time: while one runs, its loop is woken every
`TICK_SECONDS`, and what such a wait ends late by is given back. After a late wait a deadline leaves the reader a
moment (`confirmation`) for what has arrived, once; so it ends even where every wait is late.

`served_deadline` and `served_scope` are for waits on an agent, git or a provider. The stop of a runtime keeps
its hard deadline (`runtime/lifetime.py`). `ServedTime` is the rule, without a loop; the clocks of a turn follow it too
(`sessions/clocks.py`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import anyio
from anyio.lowlevel import RunVar, current_token

__all__ = [
    "LATE_SECONDS",
    "TICK_SECONDS",
    "ServedClock",
    "ServedScope",
    "ServedTime",
    "confirmation",
    "served_clock",
    "served_deadline",
    "served_scope",
]

LATE_SECONDS: Final = 0.05
"""A wait that ends this much after its time was not served."""

TICK_SECONDS: Final = 0.1
"""How long one wait of the clock is. A time without service that is shorter may be counted."""

_LONGEST_CONFIRMATION_SECONDS: Final = 1.0
_CONFIRMATION_SHARE: Final = 4


def confirmation(seconds: float) -> float:
    """How long the reader gets, once the loop is served again, before a deadline of so many seconds is judged."""
    return min(_LONGEST_CONFIRMATION_SECONDS, seconds / _CONFIRMATION_SHARE)


class ServedTime:
    """How much of a clock's time was served, computed from its waits. Pure: times are seconds of any one clock."""

    def __init__(self) -> None:
        self._planned = math.inf
        self._lost = 0.0

    @property
    def lost(self) -> float:
        """How much time in all was not served."""
        return self._lost

    def wait_until(self, planned: float) -> None:
        """A wait begins that is to end then."""
        self._planned = planned

    def record_wake(self, now: float) -> bool:
        """The wait has ended; whether so late that the time after its planned end was not served."""
        late = now - self._planned
        self._planned = math.inf
        if late <= LATE_SECONDS:
            return False
        self._lost += late
        return True

    def at(self, now: float) -> float:
        """`now` without the time that was not served; it does not advance while a wait is late."""
        return (self._planned if now - self._planned > LATE_SECONDS else now) - self._lost


class ServedClock:
    """The served time of one event loop, measured while a scope needs it. Belongs to the loop."""

    def __init__(self) -> None:
        self._time = ServedTime()
        self._running: set[ServedScope] = set()
        self._timer: _Timer | None = None
        token = current_token().native_token
        self._loop = token if isinstance(token, asyncio.AbstractEventLoop) else None
        # Timers run outside any task, where anyio may not know the loop (it asks sniffio, which asks for the task).
        self._current_time = anyio.current_time if self._loop is None else self._loop.time

    def now(self) -> float:
        """The loop's time without what was not served. Only times taken inside one `served_scope` compare."""
        return self._time.at(self._current_time())

    def start(self, scope: ServedScope) -> None:
        """Measure time for a scope, and check its expiry when its time has passed."""
        self._running.add(scope)
        now = self._current_time()
        if self._timer is None or self._timer.at > now + self._pause(scope, now=now):
            self._wait(now)

    def stop(self, scope: ServedScope) -> None:
        """A scope is over. Without any there is no timer."""
        self._running.discard(scope)
        if not self._running and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._time.record_wake(self._current_time())

    def _wait(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        planned = now + self._pause(*self._running, now=now)
        self._time.wait_until(planned)
        self._timer = _Timer(planned, self._tick, self._loop)

    def _pause(self, *scopes: ServedScope, now: float) -> float:
        served = self._time.at(now)
        return max(0.0, min(TICK_SECONDS, *(scope.until - served for scope in scopes)))

    def _tick(self) -> None:
        self._timer = None
        now = self._current_time()
        is_late = self._time.record_wake(now)
        try:
            for scope in tuple(self._running):
                scope.check_expiry(self._time.at(now), is_late=is_late)
        finally:
            if self._running:
                self._wait(now)


class ServedScope:
    """Work that has so many seconds of served time. What is still under way then is cancelled."""

    def __init__(self, clock: ServedClock) -> None:
        self._clock = clock
        self._scope = anyio.CancelScope()
        self._confirmation = 0.0
        self._last = math.inf
        self.until = math.inf
        """The served time at which it ends."""
        self.has_expired = False
        """Whether its time has passed and, once it was left, whether that cut the work off."""

    def allow(self, seconds: float) -> None:
        """It has so many seconds from now on."""
        if seconds <= 0:
            self._expire()
        elif seconds < math.inf:
            self._confirmation = confirmation(seconds)
            self.until = self._clock.now() + seconds
            self._last = self.until + self._confirmation
            self._clock.start(self)

    def end_by(self, time: float) -> None:
        """It ends at that time of the event loop's clock at the latest, served or not."""
        self._scope.deadline = min(self._scope.deadline, time)

    def cancel(self) -> None:
        """End it now."""
        self._scope.cancel()

    def check_expiry(self, served: float, *, is_late: bool) -> None:
        """For the clock: end it if its time has passed."""
        if is_late:
            self.until = max(self.until, min(served + self._confirmation, self._last))
        if served >= self.until:
            self._expire()

    def _expire(self) -> None:
        self.has_expired = True
        self._clock.stop(self)
        self._scope.cancel()

    @contextmanager
    def _entered(self, seconds: float) -> Iterator[ServedScope]:
        try:
            with self._scope:
                self.allow(seconds)
                yield self
        finally:
            self._clock.stop(self)
        self.has_expired = self.has_expired and self._scope.cancelled_caught


class _Timer:
    """Calls something on the event loop at a time of its clock, once. No task of the loop: none can cancel it."""

    def __init__(self, at: float, call: Callable[[], None], loop: asyncio.AbstractEventLoop | None) -> None:
        """`loop` is asyncio's, or None under trio."""
        self.at = at
        self._call = call
        self._is_cancelled = False
        self._end: Callable[[], None]
        if loop is not None:
            self._end = loop.call_at(at, self._ring).cancel
        else:
            from trio.lowlevel import spawn_system_task

            scope = anyio.CancelScope(deadline=at)
            self._end = scope.cancel
            spawn_system_task(self._sleep, scope, name="orchestrion served time")

    def cancel(self) -> None:
        """Do not call. Harmless once it has."""
        self._is_cancelled = True
        self._end()

    def _ring(self) -> None:
        if not self._is_cancelled:
            self._call()

    async def _sleep(self, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep_forever()
        self._ring()


_clock: RunVar[ServedClock] = RunVar("orchestrion.served-clock")


def served_clock() -> ServedClock:
    """That of the running event loop."""
    clock = _clock.get(None)
    if clock is None:
        clock = ServedClock()
        _clock.set(clock)
    return clock


def served_scope(seconds: float) -> AbstractContextManager[ServedScope]:
    """Cancel the body after so many seconds of served time, as `anyio.move_on_after` does after seconds."""
    return ServedScope(served_clock())._entered(seconds)


@contextmanager
def served_deadline(seconds: float) -> Iterator[ServedScope]:
    """Cancel the body after so many seconds of served time.

    Raises:
        TimeoutError: that was so.
    """
    with served_scope(seconds) as scope:
        yield scope
    if scope.has_expired:
        raise TimeoutError
