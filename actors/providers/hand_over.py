"""The failure of a hand-over that took so long that its session did not wait for it."""

from __future__ import annotations

import attrs

from ...contracts.ids import TurnId
from ...contracts.provider_events import TurnCompleted

__all__ = ["HandOverFailure"]


@attrs.frozen(kw_only=True)
class HandOverFailure(TurnCompleted):
    """The end of the turn that was not handed over. Another turn may run by the time it is read; it ends only its own.

    `turn_id` is None if the request had none: then it ends the running turn.
    """

    turn_id: TurnId | None
    loses_session: bool
    """Whether the agent has ended, or it is unknown whether it has the turn."""
