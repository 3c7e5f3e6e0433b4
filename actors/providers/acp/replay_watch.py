"""Waiting for the end of the history that an agent replays. `replay.py` has the rule, this the clock."""

from __future__ import annotations

from typing import Final

import anyio

from ....contracts.errors import ProviderUnavailable
from ...served_time import served_clock, served_deadline
from .replay import Replay

__all__ = ["ReplayWatch"]

_LONGEST_SECONDS: Final = 5 * 60.0


class ReplayWatch:
    """Made when the agent has replied to the request that loads a session."""

    def __init__(self) -> None:
        self._clock = served_clock()
        self._replay = Replay(replied_at=self._clock.now())

    def note_update(self, kind: str) -> None:
        """Take note of an update of this kind."""
        self._replay = self._replay.note_update(kind, self._clock.now())

    async def wait_for_quiet(self, program: str) -> None:
        """Wait until no history has arrived for a while.

        Raises:
            ProviderUnavailable: the replay does not end.
        """
        try:
            with served_deadline(_LONGEST_SECONDS):
                while (left := self._replay.seconds_left(self._clock.now())) > 0:  # noqa: ASYNC110 - quiet is no event
                    await anyio.sleep(left)
        except TimeoutError:
            raise ProviderUnavailable(
                f"{program} was still replaying its history after {_LONGEST_SECONDS:g} s: start the turn again later",
                reason="unresponsive",
            ) from None
