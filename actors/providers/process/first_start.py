"""The first starts of a provider's agents: one after the other until one has succeeded.

An agent sets up a new home as it starts, and several that do so at once fail. A start does not wait long for another
one, which may hang.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, TypeVar

import anyio

from ...served_time import served_scope

__all__ = ["SET_UP_SECONDS", "FirstStart"]

SET_UP_SECONDS: Final = 5.0
"""How long a start waits for another start, which may be setting up the agent's home."""

C = TypeVar("C")


class FirstStart:
    """Owned by one provider."""

    def __init__(self) -> None:
        self._has_started = False
        self._starting = anyio.Lock()

    async def enter(self, opening: AbstractAsyncContextManager[C], stack: AsyncExitStack) -> C:
        """Enter `opening` when no other first start is running; `stack` leaves it. Raises what `opening` raises."""
        if not self._has_started and await self._acquire_set_up():
            try:
                if not self._has_started:
                    connection = await stack.enter_async_context(opening)
                    self._has_started = True
                    return connection
            finally:
                self._starting.release()
        connection = await stack.enter_async_context(opening)
        self._has_started = True
        return connection

    async def _acquire_set_up(self) -> bool:
        with served_scope(SET_UP_SECONDS):
            await self._starting.acquire()
            return True
        return False
