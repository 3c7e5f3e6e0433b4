"""A call into a provider, with a deadline and an outcome.

A provider may be the host's own code: a method of it may hang, raise anything, or ignore its cancellation. So each call
runs in a task of its own. Its caller gets the result, or a `ProviderError` that names the provider, the method and the
failure. A call that does not end in time is cancelled; if it continues nevertheless, it is left behind and logged.

When the runtime stops, `hurry` moves all deadlines before that of the stop.

Code that blocks the event loop (`time.sleep` in a coroutine) blocks the host too: no deadline can prevent that. The
blocked time does not count against any call (`served_time.py`).
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from ...contracts.errors import ProviderError, ProviderProtocolError, RuntimeStopped
from ..detached_task import DetachedTask, interruption_in
from ..served_time import ServedScope, served_scope
from ..shields import shield

__all__ = ["ProviderCalls", "ProviderDefect", "describe_error"]

T = TypeVar("T")

CUT_SECONDS: Final = 1.0
"""How long a cancelled call may take to end before it is left behind."""

_DESCRIBED_CHARACTERS: Final = 2000

_logger = logging.getLogger(__name__)


class ProviderDefect(ProviderProtocolError):
    """A call that violated its contract or did not end: how far it came is unknown."""


class ProviderCalls:
    """The calls into the providers of one runtime. Belongs to the event loop."""

    def __init__(self) -> None:
        self._until = math.inf
        self._is_hurried = False
        self._waits: dict[ServedScope, bool] = {}

    def hurry(self, until: float) -> None:
        """Wait for no call beyond that time of the event loop's clock; running calls included.

        Waits that yield to a stop (`wait`) end at once.
        """
        self._until = until
        self._is_hurried = True
        for wait, yields in self._waits.items():
            wait.end_by(anyio.current_time() if yields else until)

    async def call(self, what: str, run: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """Run a method of a provider, named `what` in errors, and return its result.

        If it is cancelled, it cancels the call, and waits at most a second for the call's end.

        Raises:
            ProviderError: what the method raised, if that is one.
            ProviderDefect: it raised anything else, or did not end within `seconds`.
        """
        call = self.begin(what, run)
        try:
            await self.wait(call.ended, seconds=seconds)
        finally:
            if not call.ended.is_set():
                await self.cut(call)
        return self.outcome(call)

    def begin(self, what: str, run: Callable[[], Awaitable[T]]) -> DetachedTask[T]:
        """Start a call, for `wait`, `cut` and `outcome`."""

        async def answer() -> T:
            awaitable = run()
            if not inspect.isawaitable(awaitable):
                raise TypeError("it is not a coroutine function")
            return await awaitable

        return DetachedTask(answer, name=what)

    async def wait(self, event: anyio.Event, *, seconds: float, yields: bool = False) -> bool:
        """Whether an event of a call came within its deadline. A wait that `yields` ends when a stop begins."""
        with served_scope(0 if yields and self._is_hurried else seconds) as wait:
            wait.end_by(self._until)
            self._waits[wait] = yields
            try:
                await event.wait()
            finally:
                del self._waits[wait]
        return event.is_set()

    async def cut(self, call: DetachedTask[T], *, seconds: float = CUT_SECONDS) -> None:
        """Cancel a call and wait `seconds` for its end, at most one at a stop. A call that goes on is left behind."""
        call.cancel()
        try:
            with shield():
                if not await self.wait(call.ended, seconds=seconds):
                    with served_scope(min(seconds, CUT_SECONDS)):
                        await call.ended.wait()
        except RuntimeStopped:
            self._abandon(call)
            raise
        self._abandon(call)

    @staticmethod
    def _abandon(call: DetachedTask[T]) -> None:
        if not call.ended.is_set():
            call.leave_behind()
            _logger.error("%s was cancelled but continues: it is left behind", call.name, extra={"actor": call.name})

    @staticmethod
    def outcome(call: DetachedTask[T]) -> T:
        """The result of a call that is over or was cut; raises as `call` does."""
        if not call.ended.is_set() or (call.was_cut and call.was_cancelled):
            overdue = f"{call.name} did not end within {call.age_seconds:.3g} s"
            raise ProviderDefect(overdue, reason="unresponsive")
        if call.was_cut:
            raise ProviderDefect(f"{call.name} was cancelled from elsewhere")
        try:
            return call.result()
        except ProviderError:
            raise
        except BaseException as error:  # an interrupt of the program has been passed on to the host
            raise ProviderDefect(f"{call.name} failed: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """The name and text of an error of foreign code, bounded. Its own `__str__` may fail."""
    try:
        text = str(error)
    except BaseException as fault:
        if interruption_in(fault) is not None:
            raise
        text = "its text cannot be read"
    name = type(error).__name__
    return f"{name}: {text}"[:_DESCRIBED_CHARACTERS] if text else name
