"""How commands that run an event loop react to signals.

- The first SIGINT, SIGTERM or SIGHUP cancels the command. Its runtime then stops cleanly, within its deadline.
- A signal that arrives while the command stops ends the process at once, however busy its event loop is. The database
  survives that: the next start recovers, and each agent's guardian ends the agent.
- A command may handle signals itself first, see `run_until_signal`.

A script's background job is started with SIGINT ignored. The command line handles SIGINT all the same, because it is
the documented way to interrupt a turn. SIGHUP stays ignored where it was ignored at the start, as `nohup` asks for.

Every command imports this module, and few run an event loop: anyio is imported where it is used.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

_STATUS_OF_SIGNALS: Final = 128
"""What a shell adds to a signal's number to make an exit status."""


def handle_signals() -> None:
    """Let SIGINT raise KeyboardInterrupt, SIGTERM and SIGHUP raise SystemExit. Call it in the main thread."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, *_hang_up()):
        signal.signal(number, _leave)


def run_until_signal(main: Callable[[], Awaitable[T]], *, on_signal: Callable[[int], bool] | None = None) -> T:
    """Run `main` on an event loop and return its result.

    `on_signal` is asked first for each signal, on the event loop; True means that it handled the signal.

    Raises:
        SystemExit: a signal ended `main`; the status is 128 plus the signal's number.
    """
    import anyio

    try:
        return anyio.run(_run, main, on_signal)
    finally:
        handle_signals()  # the loop has put the default actions in their place


async def _run(main: Callable[[], Awaitable[T]], on_signal: Callable[[int], bool] | None) -> T:
    import anyio

    results: list[T] = []
    ended_by: int | None = None
    failure: Exception | None = None
    working = anyio.CancelScope()

    numbers = (signal.SIGINT, signal.SIGTERM, *_hang_up())

    async def watch() -> None:
        nonlocal ended_by
        async for number in signals:
            if ended_by is not None:
                _end_at_once(number)
            if on_signal is None or not on_signal(number):
                ended_by = number
                for following in numbers:
                    signal.signal(following, _end_at_once)
                working.cancel()

    with anyio.open_signal_receiver(*numbers) as signals:
        _tolerate_floods()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                with working:
                    results.append(await main())
            except Exception as error:  # raised again below, where no task group wraps it
                failure = error
            tasks.cancel_scope.cancel()
    if ended_by is not None:
        raise SystemExit(_STATUS_OF_SIGNALS + ended_by)
    if failure is not None:
        raise failure
    return results[0]


def _hang_up() -> tuple[signal.Signals, ...]:
    """SIGHUP, where the platform has it and the process was not started to ignore it."""
    number = getattr(signal, "SIGHUP", None)
    return () if number is None or signal.getsignal(number) is signal.SIG_IGN else (number,)


def _tolerate_floods() -> None:
    """Print no warning about more signals than the event loop can be woken for: the first of them wakes it."""
    descriptor = signal.set_wakeup_fd(-1)
    if descriptor != -1:
        signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)


def _end_at_once(number: int, _frame: FrameType | None = None) -> None:
    os._exit(_STATUS_OF_SIGNALS + number)


def _leave(number: int, _frame: FrameType | None) -> None:
    """End as an exception would, so that temporary files are removed and locks are released."""
    raise SystemExit(_STATUS_OF_SIGNALS + number)
