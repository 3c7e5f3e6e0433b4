"""Shields against cancellation, which the end of a runtime can take away.

Some work has to reach its end although its task is cancelled: an agent's processes are gone before its session is, a
revert does not stop between two files. But a stop has a deadline. So whatever is shielded here is known to its runtime,
which cancels it when the deadline has passed (`Shields.lower`). What is cut off then is what a crash cuts off too: the
next start recovers it.

A native cancellation of asyncio pierces every shield. It reaches the runtime's own tasks only if
every task of the loop is cancelled, as `asyncio.run` does after a second Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

from ..contracts.errors import RuntimeStopped

__all__ = ["Shields", "shield"]


class Shields:
    """The shielded scopes of one runtime. Its tasks inherit it by their context."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()
        self._are_lowered = False

    def use(self) -> None:
        """From now on, what this task and those that it starts shield belongs to this runtime."""
        _current.set(self)

    def lower(self) -> None:
        """Cancel everything that is shielded, now and from now on."""
        self._are_lowered = True
        for scope in tuple(self._scopes):
            scope.cancel()

    @contextmanager
    def _scope(self) -> Iterator[None]:
        with anyio.CancelScope(shield=True) as scope:
            self._scopes.add(scope)
            try:
                if self._are_lowered:
                    scope.cancel()
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise RuntimeStopped("the runtime ended before this did")


_current: ContextVar[Shields | None] = ContextVar("orchestrion.shields", default=None)


@contextmanager
def shield() -> Iterator[None]:
    """Run the body to its end although the task is cancelled.

    Raises:
        RuntimeStopped: the runtime's deadline passed first, and the body was cancelled.
    """
    with (_current.get() or Shields())._scope():
        yield
