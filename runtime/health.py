"""The health of a runtime at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import attrs

from ..actors.checkpoints.captures_under_way import CaptureHealth
from ..actors.last_errors import LastError, LastErrors
from ..actors.log.dispatcher import Dispatcher
from ..actors.log.event_log import EventLog
from ..actors.projecting.condition import ProjectorHealth
from ..actors.projecting.projectors import Projectors
from ..actors.sessions.health import SessionHealth
from ..actors.supervisor import Supervisor
from ..persistence.identity import DatabaseCopy
from ..persistence.lane import WriteLane

HealthStatus: TypeAlias = Literal["running", "failed", "stopping"]


@attrs.frozen(kw_only=True)
class Health:
    """`status` is `failed` once no command is taken any more; `failure` is then the reason.

    `mailbox_depth` counts commands that wait to be decided, `mailbox_waiting` callers that wait for room there.
    """

    status: HealthStatus
    failure: str | None
    head: int
    mailbox_depth: int
    mailbox_waiting: int
    lane_depth: int
    followers: int
    projectors: tuple[ProjectorHealth, ...]
    sessions: tuple[SessionHealth, ...]
    captures: tuple[CaptureHealth, ...]
    copy: DatabaseCopy | None
    """Where the database is a copy of another one or a restored backup: what this runtime found when it opened it."""
    restarts: Mapping[str, int]
    last_errors: tuple[LastError, ...]
    """The newest first, one an actor; also what has passed since."""

    @property
    def quarantined(self) -> int:
        """Events that at least one projector skipped because they do not decode."""
        return max((projector.quarantined for projector in self.projectors), default=0)


@attrs.frozen(kw_only=True)
class HealthSource:
    """The parts that `Health` is read from."""

    dispatcher: Dispatcher
    log: EventLog
    lane: WriteLane
    projectors: Projectors
    supervisor: Supervisor
    errors: LastErrors
    sessions: Callable[[], tuple[SessionHealth, ...]]
    captures: Callable[[], tuple[CaptureHealth, ...]]
    copy: Callable[[], DatabaseCopy | None]
    is_stopping: Callable[[], bool]

    def read(self) -> Health:
        failure = self._failure()
        status: HealthStatus = "stopping" if self.is_stopping() else "running"
        return Health(
            status="failed" if failure is not None else status,
            failure=failure,
            head=self.log.head,
            mailbox_depth=self.dispatcher.depth,
            mailbox_waiting=self.dispatcher.waiting,
            lane_depth=self.lane.depth,
            followers=self.log.followers,
            projectors=tuple(projector.health() for projector in self.projectors.all),
            sessions=self.sessions(),
            captures=self.captures(),
            copy=self.copy(),
            restarts=self.supervisor.restarts,
            last_errors=self.errors.read(),
        )

    def _failure(self) -> str | None:
        failure = self.supervisor.failure
        return None if failure is None else f"{failure.actor}: {failure.error}"
