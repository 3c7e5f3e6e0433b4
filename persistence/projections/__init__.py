"""The eight projections, one to each table of the read model."""

from __future__ import annotations

from typing import Final

from .base import Projection
from .checkpoints import CheckpointsProjection
from .pending_approvals import PendingApprovalsProjection
from .projects import ProjectsProjection
from .thread_activities import ThreadActivitiesProjection
from .thread_messages import ThreadMessagesProjection
from .thread_sessions import ThreadSessionsProjection
from .thread_turns import ThreadTurnsProjection
from .threads import ThreadsProjection

PROJECTIONS: Final[tuple[Projection, ...]] = (
    ProjectsProjection(),
    ThreadsProjection(),
    ThreadMessagesProjection(),
    ThreadActivitiesProjection(),
    ThreadSessionsProjection(),
    ThreadTurnsProjection(),
    CheckpointsProjection(),
    PendingApprovalsProjection(),
)

__all__ = ["PROJECTIONS", "Projection"]
