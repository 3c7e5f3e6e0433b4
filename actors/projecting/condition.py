"""How a projector is: live, retrying, halted or stopped, and since when it fails.

A fault is reported once, to the log of the process and to `health()`, not with every try. What waits for the rows asks
here whether they will come.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeAlias

import anyio
import attrs

from ...contracts.events import LoggedEvent, UndecodableEvent
from ..backoff import Backoff
from ..last_errors import LastErrors

ProjectorStatus: TypeAlias = Literal["live", "retrying", "halted", "stopped"]

BACKOFF: Final = Backoff(first_seconds=0.05, longest_seconds=1.0)

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class ProjectorHealth:
    """A projector at one moment. `lag` counts published events that it has not applied."""

    name: str
    status: ProjectorStatus
    position: int
    lag: int
    quarantined: int
    fault: str | None


class ProjectorCondition:
    """Kept by its projector, which reports its events and its position."""

    def __init__(self, name: str, errors: LastErrors) -> None:
        self._name = name
        self._errors = errors
        self._status: ProjectorStatus = "live"
        self._fault: str | None = None
        self._failures = 0
        self._failing_since: float | None = None
        self._quarantined = 0

    @property
    def status(self) -> ProjectorStatus:
        return self._status

    @property
    def fault(self) -> str:
        """Why the rows are not brought up to date."""
        return self._fault or f"it is {self._status}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more is applied until the rows are rebuilt."""
        return self._status in ("halted", "stopped")

    def has_failed_for(self, seconds: float) -> bool:
        """Whether every try of so many seconds has failed."""
        return self._failing_since is not None and anyio.current_time() - self._failing_since >= seconds

    def ids(self, sequence: int) -> dict[str, object]:
        """What a log record of this projector carries."""
        return {"actor": self._name, "event_sequence": sequence}

    async def back_off(self, error: Exception, position: int) -> None:
        """A try failed for a reason outside it: wait before the next one, longer each time."""
        self._errors.note(self._name, error)
        if self._fault != str(error):
            _logger.warning("%s retries after event %d: %s", self._name, position, error, extra=self.ids(position))
        self._status, self._fault = "retrying", str(error)
        if self._failing_since is None:
            self._failing_since = anyio.current_time()
        self._failures += 1
        await anyio.sleep(BACKOFF.seconds(self._failures))

    def give_up(self, error: Exception) -> None:
        """A try failed, and there will be no other."""
        self._errors.note(self._name, error)

    def go_on(self, position: int) -> None:
        """A try succeeded."""
        if self._status == "retrying":
            _logger.info("%s goes on after event %d", self._name, position, extra=self.ids(position))
        self._status, self._fault, self._failures = "live", None, 0
        self._failing_since = None

    def halt(self, fault: str, position: int) -> None:
        """A defect: nothing more is applied until the rows are rebuilt."""
        self._status, self._fault = "halted", fault
        self._errors.note(self._name, f"halted at {position}: {fault}")
        _logger.error("%s halted at %d: %s", self._name, position, fault, extra=self.ids(position))

    def stop(self) -> None:
        """The log has ended. A halted projector stays halted."""
        if self._status != "halted":
            self._status = "stopped"

    def quarantine(self, batch: Sequence[LoggedEvent], handles: Collection[str]) -> None:
        """Events of a batch that the projector handles and that do not decode are skipped."""
        for event in batch:
            if isinstance(event, UndecodableEvent) and event.known and event.event_type in handles:
                self.skip(event.sequence, event.fault)

    def skip(self, sequence: int, fault: str) -> None:
        """An event is left out of the rows."""
        self._quarantined += 1
        self._errors.note(self._name, f"skips event {sequence}: {fault}")
        _logger.error("%s skips event %d: %s", self._name, sequence, fault, extra=self.ids(sequence))

    def health(self, *, position: int, lag: int) -> ProjectorHealth:
        return ProjectorHealth(
            name=self._name,
            status=self._status,
            position=position,
            lag=lag,
            quarantined=self._quarantined,
            fault=self._fault,
        )
