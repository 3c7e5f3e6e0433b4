"""The signal settings of a terminal's shell, wherever the tests run.

A script's background job starts with SIGINT ignored, one under `nohup` with SIGHUP ignored, and both are inherited.
Tests that send signals to the programs that they start would wait forever.
"""

from __future__ import annotations

import signal
from typing import Final

__all__ = ["restore_signals"]

_RESTORED: Final = (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


def restore_signals() -> None:
    """Undo the inherited settings: ignored signals and blocked ones. Called once, in the main thread."""
    for number in _RESTORED:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
