"""What a turn hands to its agent, read back from the log."""

from __future__ import annotations

from ..persistence.event_store import read_event
from ..persistence.readers import ReaderPool
from ..runtime.contracts.errors import ProviderError
from ..runtime.contracts.events import PersistedEvent, ThreadMessageSent, ThreadTurnStartRequested
from ..runtime.contracts.values import Unset
from .providers.adapter import TurnRequest


async def read_turn_request(
    readers: ReaderPool, intent: PersistedEvent, start: ThreadTurnStartRequested
) -> TurnRequest:
    """The message that caused the request, with the request's model and effort.

    Raises:
        ProviderError: the message cannot be read.
        StoreError: the log cannot be read.
    """
    cause = intent.causation_event_id
    event = None if cause is None else await readers.run(lambda database: read_event(database, cause))
    if not isinstance(event, PersistedEvent) or not isinstance(event.payload, ThreadMessageSent):
        raise ProviderError(f"the message of turn {start.turn_id!r} cannot be read from the log")
    attachments = event.payload.attachments
    return TurnRequest(
        text=event.payload.text,
        turn_id=start.turn_id,
        attachments=() if isinstance(attachments, Unset) else attachments,
        model=None if isinstance(start.model, Unset) else start.model,
        effort=None if isinstance(start.effort, Unset) else start.effort,
    )
