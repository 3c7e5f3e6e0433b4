"""The callers that wait until a projector reaches a sequence. Each is woken once, by reaching it or by the end.

One that is cancelled waits no more: nothing is left of it.
"""

from __future__ import annotations

import anyio


class WaitingReaders:
    """Kept by one projector; waiting is any task's."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, anyio.Event]] = []

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    async def wait(self, sequence: int) -> None:
        """Wait until `sequence` is reached, or nothing more will be: the caller looks which."""
        waiter = sequence, anyio.Event()
        self._waiting.append(waiter)
        try:
            await waiter[1].wait()
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def wake(self, reached: int) -> None:
        """Everything up to this sequence is reached."""
        due = [woken for sequence, woken in self._waiting if sequence <= reached]
        if due:
            self._waiting = [waiter for waiter in self._waiting if waiter[0] > reached]
            for woken in due:
                woken.set()

    def release(self) -> None:
        """Nothing more will be reached for now."""
        for _, woken in self._waiting:
            woken.set()
        self._waiting.clear()
