"""The life of one runtime: a task of its own, and the deadline of its stop.

The host's task only waits: for the runtime to open, and for its end. So whatever cancels the host (a scope of anyio,
`task.cancel()`, `asyncio.timeout`, Ctrl-C), and however often, does not reach the runtime's own clean-up. It makes the
runtime leave, and is raised in the host's task when the runtime is gone.

A stop has one deadline. What is not done by then is cut off: shields are lowered, actors cancelled, statements of
SQLite interrupted, agents killed. `GRACE_SECONDS` later the host continues, even if something is left.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from ..actors.detached_task import (
    DetachedTask,
    gather_detached_tasks,
    interruption_in,
    more_severe,
    wait_through,
    wait_to_end,
)
from ..actors.shields import Shields
from ..contracts.errors import RuntimeStopped
from .runtime import Runtime

GRACE_SECONDS: Final = 2.0
"""How long what was cut off may take to end."""

_ACTOR: Final = {"actor": "runtime"}
_OVERDUE: Final = "the runtime did not stop within %g s: what is left is cut off"

_logger = logging.getLogger(__name__)


class HostLeft(Exception):
    """The host has left while the runtime opened. It never leaves this package."""


class Lifetime:
    """Owned by the host's task. `live` is the runtime's own: it opens, calls `serve`, and leaves nothing behind."""

    def __init__(self, live: Callable[[Lifetime], Awaitable[None]], *, deadline_seconds: float) -> None:
        self._live = live
        self._deadline_seconds = deadline_seconds
        self._shields = Shields()
        self._settled = anyio.Event()
        self._leaving = anyio.Event()
        self._opening: anyio.CancelScope | None = None
        self._stopping = anyio.CancelScope(shield=True)
        self._cuts: list[Callable[[], None]] = []
        self._runtime: Runtime | None = None
        self._task: DetachedTask[None] | None = None

    async def open(self) -> Runtime:
        """Start the runtime and wait until it serves.

        Raises what `live` raises before it serves. Cancelled, what was begun is ended first.
        """
        self._task = DetachedTask(self._main, name="orchestrion runtime")
        try:
            await self._settled.wait()
        except BaseException as interruption:
            await self._end(interruption)
            raise
        if self._runtime is None:
            await self._end(None)
            raise RuntimeStopped("the runtime was ended while it opened")
        return self._runtime

    async def close(self) -> None:
        """Stop the runtime and wait for its end, until the deadline and the grace.

        Raises what `live` raises at its end. Cancelled, the runtime's end comes first.
        """
        await self._end(None)

    # What follows is for `live`, in its own task.

    def at_once(self, cut: Callable[[], None]) -> None:
        """Call this when the deadline has passed: it ends something without waiting. May be called more than once."""
        self._cuts.append(cut)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """A part of opening: cancelled when the host leaves.

        Raises:
            HostLeft: the host has left.
        """
        with anyio.CancelScope() as scope:
            self._opening = scope
            if self._leaving.is_set():
                scope.cancel()
            yield
        self._opening = None
        if scope.cancelled_caught or self._leaving.is_set():
            raise HostLeft

    async def serve(self, runtime: Runtime) -> None:
        """The runtime is open: hand it to the host, and wait until the host leaves."""
        self._runtime = runtime
        self._settled.set()
        await self._leaving.wait()

    @property
    def stopping(self) -> anyio.CancelScope:
        """The scope of the clean stop, which the deadline cancels. Entered once."""
        return self._stopping

    async def _main(self) -> None:
        self._shields.use()
        left = gather_detached_tasks()
        try:
            await self._live(self)
        finally:
            self._settled.set()
            for task in tuple(left):
                task.cancel()
                await wait_to_end(task.ended.wait)

    async def _end(self, interruption: BaseException | None) -> None:
        assert self._task is not None, "a runtime is opened before it is closed"
        deadline = anyio.current_time() + self._deadline_seconds
        self._leaving.set()
        if self._opening is not None:
            self._opening.cancel()
        came = more_severe(interruption, await wait_through(self._task.ended, until=deadline))
        if not self._task.ended.is_set():
            _logger.warning(_OVERDUE, self._deadline_seconds, extra=_ACTOR)
            self._cut()
            came = more_severe(came, await wait_through(self._task.ended, until=deadline + GRACE_SECONDS))
        if not self._task.ended.is_set():
            _logger.error("the runtime has not stopped %g s after it was cut off", GRACE_SECONDS, extra=_ACTOR)
            self._cut()
        if came is not None:
            raise came
        if self._task.ended.is_set() and not self._task.was_cut:
            self._raise_outcome(self._task)

    def _cut(self) -> None:
        self._stopping.cancel()
        self._shields.lower()
        for cut in self._cuts:
            cut()

    @staticmethod
    def _raise_outcome(task: DetachedTask[None]) -> None:
        try:
            task.result()
        except (HostLeft, KeyboardInterrupt):  # a Ctrl-C that struck the runtime has been passed on to the host
            return
        except BaseExceptionGroup as group:
            if not isinstance(interruption_in(group), KeyboardInterrupt):
                raise
