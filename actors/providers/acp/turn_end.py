"""The end of a turn of an ACP agent, from the reply to its prompt. Pure."""

from __future__ import annotations

from typing import Final

from ....contracts.provider_events import TurnCompleted, TurnOutcome
from ....contracts.values import FailureReason
from ..jsonrpc.protocol import Refusal, Reply, Result
from ..loose_json import object_of, text_of

__all__ = ["turn_end"]

_MAX_QUOTED: Final = 500
_STOPPED: Final[dict[str, tuple[str, FailureReason | None]]] = {
    "refusal": ("the agent refused to go on", "refused"),
    "max_tokens": ("the agent reached its limit of tokens", "context_full"),
    "max_turn_requests": ("the agent reached its limit of model requests in a turn", "max_turns"),
}


def turn_end(reply: Reply, *, requested_outcome: TurnOutcome | None, login: str) -> TurnCompleted:
    """A turn that was cancelled from here has the outcome `requested_outcome`, whatever the agent's stop reason.

    `login` describes how to log in with the agent.
    """
    match reply:
        case Refusal(failure=failure):
            if requested_outcome is not None:
                return TurnCompleted(outcome=requested_outcome, error=failure.text)
            text = failure.text
            if failure.reason == "unauthenticated" and login:
                text = f"{text}; {login}"
            return TurnCompleted(outcome="failed", error=text, reason=failure.reason)
        case Result():
            stopped = text_of(object_of(reply.value).get("stopReason"))
    if requested_outcome is not None or stopped == "cancelled":
        return TurnCompleted(outcome=requested_outcome or "cancelled")
    if stopped == "end_turn":
        return TurnCompleted(outcome="completed")
    unknown = ("the agent stopped for a reason that the protocol does not know", None)
    sentence, reason = _STOPPED.get(stopped, unknown)
    error = f"{sentence} ({stopped[:_MAX_QUOTED] or 'none given'})"
    return TurnCompleted(outcome="failed", error=error, reason=reason)
