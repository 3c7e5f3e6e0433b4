"""The turn of a Codex thread, and its end. Pure."""

from __future__ import annotations

import attrs

from ....contracts.provider_events import TurnCompleted
from ....contracts.values import Instant, JsonObject
from ..loose_json import object_of
from .failures import codex_failure

__all__ = ["CodexTurn", "turn_end"]


@attrs.frozen(kw_only=True)
class CodexTurn:
    """The turn that runs, or the last one. `id` is the agent's id of it, None until the agent names it.

    `started`: `turn/started` has arrived. `is_agents`: the agent began it itself. `joined`: a turn that was handed over
    became part of it. `interrupting`: the runtime interrupted it. `cancelling`: a decision of the user cancelled it.
    """

    running: bool = False
    id: str | None = None
    started: bool = False
    is_agents: bool = False
    joined: bool = False
    interrupting: bool = False
    cancelling: bool = False


def turn_end(record: JsonObject, turn: CodexTurn, *, lifted_at: Instant | None) -> TurnCompleted:
    """The end of a turn from the agent's record of it. `lifted_at` is when the account's limits reset, if known."""
    if record.get("status") == "completed":
        return TurnCompleted(outcome="completed")
    if record.get("status") == "interrupted":
        by_decision = turn.cancelling and not turn.interrupting
        return TurnCompleted(outcome="cancelled" if by_decision else "interrupted")
    if turn.interrupting:
        return TurnCompleted(outcome="interrupted")
    failure = codex_failure(object_of(record.get("error")), lifted_at)
    return TurnCompleted(outcome="failed", error=failure.text, reason=failure.reason, retry_at=failure.retry_at)
