"""Detached tasks: cancelling the task that starts one does not cancel it, and its failure does not fail that task.

A shielded scope is not enough for that. `task.cancel()` of asyncio, `asyncio.timeout`, a Ctrl-C under `asyncio.run`,
and under trio a Ctrl-C while the main task waits, all go through anyio's shields. So work that must run
to its end has a task of its own, and its starter waits with `wait_through`, which remembers interruptions and goes on
waiting.

On asyncio such a task belongs to the loop, on trio it is a system task. Cancelling every task of a loop cancels it too.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Generic, TypeVar

import anyio
from anyio.lowlevel import current_token

__all__ = [
    "DetachedTask",
    "deliver",
    "interruption_in",
    "is_cancelled",
    "more_severe",
    "wait_through",
    "wait_to_end",
]

T = TypeVar("T")

_together: ContextVar[set[DetachedTask[Any]] | None] = ContextVar("orchestrion.detached_tasks", default=None)
"""The detached tasks of one runtime."""

_ACTOR: Final = {"actor": "runtime"}

_logger = logging.getLogger(__name__)


class DetachedTask(Generic[T]):
    """A task of its own. `ended` is set when it is over; `result` then gives its outcome."""

    def __init__(self, run: Callable[[], Awaitable[T]], *, name: str, context: Context | None = None) -> None:
        self.name = name
        self.ended = anyio.Event()
        self._run = run
        self._began = anyio.current_time()
        self._scope = anyio.CancelScope()
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self._others = _together.get()
        if self._others is not None:
            self._others.add(self)
        token = current_token().native_token
        inherited = context or copy_context()
        if isinstance(token, asyncio.AbstractEventLoop):
            self._task: object = token.create_task(self._main(), name=name, context=inherited)
        else:
            from trio.lowlevel import spawn_system_task

            self._task = spawn_system_task(self._main, name=name, context=inherited)

    @property
    def was_cut(self) -> bool:
        """Whether it was cancelled, by `cancel` or from outside, and so has no outcome."""
        return self.ended.is_set() and not self._answer and self._error is None

    @property
    def age_seconds(self) -> float:
        """How long ago it was started."""
        return anyio.current_time() - self._began

    @property
    def was_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._scope.cancel_called

    def cancel(self) -> None:
        """Cancel it. Does not wait for its end."""
        self._scope.cancel()

    def leave_behind(self) -> None:
        """Do not wait for its end any more, whether it ends or not."""
        if self._others is not None:
            self._others.discard(self)

    def result(self) -> T:
        """What it returned; raises what it raised. Only for one that has ended and was not cut."""
        if self._error is not None:
            raise self._error
        return self._answer[0]

    async def _main(self) -> None:
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with self._scope:
                self._answer.append(await self._run())
        except cancelled:
            if cancelled is not asyncio.CancelledError:
                raise  # the end of trio's run
        except BaseException as error:
            self._error = error
            deliver(error)
        finally:
            self.leave_behind()
            self.ended.set()


def gather_detached_tasks() -> set[DetachedTask[Any]]:
    """The set of running detached tasks that this task, or a task started by it, begins from now on."""
    together: set[DetachedTask[Any]] = set()
    _together.set(together)
    return together


async def wait_through(event: anyio.Event, *, until: float) -> BaseException | None:
    """Wait for an event until that time of the event loop's clock, whatever cancels this task meanwhile.

    Returns the most severe interruption meanwhile, for the caller to raise when everything is done; None without one.
    """
    came: BaseException | None = None
    while not event.is_set() and (seconds := until - anyio.current_time()) > 0:
        try:
            with anyio.move_on_after(seconds, shield=True):
                await event.wait()
        except BaseException as error:
            came = more_severe(came, error)
    return came


async def wait_to_end(wait: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that ends by itself, also while this task is cancelled; raise the cancellation afterwards.

    `wait` may be called more than once.
    """
    came: BaseException | None = None
    while True:
        try:
            with anyio.CancelScope(shield=True):
                await wait()
            break
        except anyio.get_cancelled_exc_class() as error:
            came = came or error
    if came is not None:
        raise came


def more_severe(first: BaseException | None, second: BaseException | None) -> BaseException | None:
    """Of two interruptions the one to raise: an interrupt of the program before a cancellation, else the first."""
    if first is None or (second is not None and interruption_in(second) and not interruption_in(first)):
        return second
    return first


def interruption_in(error: BaseException) -> BaseException | None:
    """The `KeyboardInterrupt` or `SystemExit` that an error is, or that a group of errors holds."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(interruption_in, error.exceptions)), None)
    return error if isinstance(error, KeyboardInterrupt | SystemExit) else None


def is_cancelled() -> bool:
    """Whether this task is being cancelled, by a scope around it or, on asyncio, directly.

    A cancellation that is raised otherwise is an error of the code that raised it.
    """
    if anyio.current_effective_deadline() == -math.inf:
        return True
    if not isinstance(current_token().native_token, asyncio.AbstractEventLoop):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def deliver(error: BaseException) -> None:
    """Pass an interrupt of the program on from one of the runtime's tasks to the host.

    Under asyncio it is raised, and leaves the event loop as it does from any task; one in a group has done so already.
    Under trio a Ctrl-C goes to the main task, where trio delivers it at its next checkpoint.
    """
    interruption = interruption_in(error)
    if interruption is None:
        return
    if isinstance(current_token().native_token, asyncio.AbstractEventLoop):
        if interruption is error:
            raise error
    elif isinstance(interruption, KeyboardInterrupt) and _trio_takes_interrupts():
        _interrupt_main_task()
    else:
        _logger.error("a task of the runtime asked for the end of the program: %r", interruption, extra=_ACTOR)


def _trio_takes_interrupts() -> bool:
    handler = signal.getsignal(signal.SIGINT)
    is_trios = callable(handler) and handler is not signal.default_int_handler
    return is_trios and threading.current_thread() is threading.main_thread()


def _interrupt_main_task() -> None:
    """Send this process SIGINT where trio cannot deliver it to the task that it interrupted before."""
    from trio.lowlevel import enable_ki_protection

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    enable_ki_protection(interrupt)()
