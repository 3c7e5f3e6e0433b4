"""The activity that reports why a turn failed, and how it is read.

`thread.session-set` carries an error too, but the next one replaces it. An activity stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from ..contracts.ids import TurnId
from ..contracts.read_model import TurnFailure
from ..contracts.values import UNSET, FailureReason, Instant, JsonObject, Unset

TURN_FAILED: Final = "turn.failed"
"""The kind of the activity: one for each turn that failed, whether it opened or not."""

NO_REASON_GIVEN: Final = "the agent gave no reason"

WAY_TO_START_AFRESH: Final = (
    "if the conversation cannot go on, send thread.session.stop with forgetConversation: true:"
    " the next turn then starts a new one"
)

_REASONS: Final[Mapping[object, FailureReason]] = {reason: reason for reason in get_args(FailureReason)}


def failure_payload(
    turn_id: TurnId, reason: FailureReason | None, message: str, login: tuple[str, ...] = ()
) -> JsonObject:
    """The payload of the activity. `login` are the commands that log in, where a login is missing."""
    payload: JsonObject = {"turnId": turn_id, "reason": reason or "unknown", "message": message}
    return {**payload, "login": list(login)} if login else payload


def failure_of(payload: Mapping[str, Any], at: Instant) -> TurnFailure:
    """The failure that an activity reports. A reason that this version does not know is read as `unknown`."""
    return TurnFailure(
        turn_id=TurnId(str(payload.get("turnId", ""))),
        reason=_REASONS.get(payload.get("reason"), "unknown"),
        message=str(payload.get("message", "")),
        at=at,
        login=_login_of(payload.get("login")),
    )


def _login_of(commands: object) -> tuple[str, ...] | Unset:
    return tuple(str(command) for command in commands) if isinstance(commands, list) and commands else UNSET
