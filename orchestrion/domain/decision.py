"""What a decider is given and what it answers."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ..contracts.commands import Command
from ..contracts.events import EventMetadata, EventPayload
from ..contracts.ids import EventId, TurnId
from ..contracts.values import Instant, JsonObject


@attrs.frozen(kw_only=True)
class DecisionRequest:
    """A command with what its sender and its dispatcher know beside it.

    `turn_id` is a fresh id where the command asks for a turn. `caused_by` is the event that asked for it.
    """

    command: Command
    now: Instant
    turn_id: TurnId | None = None
    caused_by: EventId | None = None
    metadata: EventMetadata = attrs.field(factory=EventMetadata)


@attrs.frozen(kw_only=True)
class DraftEvent:
    """An event that is decided and not yet numbered. `caused_by_first`: its cause is the command's first event.

    `withheld` are the secret answers of the command, which the payload does not have: they stay in memory.
    """

    payload: EventPayload
    occurred_at: Instant
    caused_by: EventId | None = None
    caused_by_first: bool = False
    withheld: JsonObject = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class Rejection:
    reason: str


Decision: TypeAlias = tuple[DraftEvent, ...] | Rejection


def one(payload: EventPayload, occurred_at: Instant, request: DecisionRequest) -> Decision:
    """The decision for one event."""
    return (DraftEvent(payload=payload, occurred_at=occurred_at, caused_by=request.caused_by),)
