"""The last error of each actor, for `health()`. Errors that were repaired since are included.

Bounded: of the actors with errors, those with the newest are kept. Belongs to the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from ..contracts.values import EPOCH, Instant
from .detached_task import interruption_in

MOST_ACTORS: Final = 32


@attrs.frozen(kw_only=True)
class LastError:
    """An actor's last error, its time, and how many errors the actor has had."""

    actor: str
    at: Instant
    error: str
    times: int


class LastErrors:
    """Kept by a runtime for as long as it runs."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._errors: dict[str, LastError] = {}

    def note(self, actor: str, error: object) -> int:
        """Record an error of an actor. Returns how many it has had."""
        before = self._errors.pop(actor, None)
        times = 1 if before is None else before.times + 1
        try:
            at, text = self._now(), str(error) or repr(error)
        except BaseException as fault:  # the host's own clock, or the text of its error
            if interruption_in(fault) is not None:
                raise
            at, text = EPOCH if before is None else before.at, f"{type(error).__name__}, and {type(fault).__name__}"
        self._errors[actor] = LastError(actor=actor, at=at, error=text, times=times)
        if len(self._errors) > MOST_ACTORS:
            del self._errors[next(iter(self._errors))]
        return times

    def read(self) -> tuple[LastError, ...]:
        """The newest first."""
        return tuple(reversed(self._errors.values()))
