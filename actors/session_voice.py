"""How a provider session speaks to the dispatcher: one command at a time, in order, until each is answered.

A command that the store refuses is kept and sent again, under its id and as it was, until the deadline: while it is,
the agent is not read, so nothing is dropped. A rejection is final: the session was replaced, or its thread deleted.
"""

from __future__ import annotations

import logging
from typing import Final

import anyio

from ..runtime.contracts.admission import admit
from ..runtime.contracts.errors import CommandIdReused, CommandRejected, StoreError
from ..runtime.contracts.ids import CommandId, EventId
from ..runtime.contracts.read_model import DispatchResult
from ..runtime.domain.ingest import IngestedCommand
from .command_group import CommandEnvelope
from .dispatcher import Dispatcher

_FIRST_BACKOFF_SECONDS: Final = 0.05
_LAST_BACKOFF_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


class SessionVoice:
    """Sends a session's commands as actor `provider`."""

    def __init__(self, dispatcher: Dispatcher, *, storage_deadline: float) -> None:
        self._dispatcher = dispatcher
        self._storage_deadline = storage_deadline

    async def send(
        self,
        ingested: IngestedCommand,
        *,
        caused_by: EventId | None = None,
        correlation_id: CommandId | None = None,
    ) -> DispatchResult | None:
        """Dispatch a command and wait for its answer; None when it was rejected.

        Raises:
            StoreError: the store kept refusing it until the deadline.
            MailboxClosed: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        admitted = admit(ingested.command, "provider")
        envelope = CommandEnvelope(
            command=admitted.command,
            fingerprint=admitted.fingerprint,
            actor="provider",
            caused_by=caused_by,
            correlation_id=correlation_id,
            metadata=ingested.metadata,
        )
        give_up_at = anyio.current_time() + self._storage_deadline
        backoff = _FIRST_BACKOFF_SECONDS
        while True:
            try:
                return await self._dispatcher.dispatch(envelope)
            except (CommandRejected, CommandIdReused) as rejected:
                _logger.info("a session's command is void: %s", rejected)
                return None
            except StoreError as error:
                if anyio.current_time() + backoff > give_up_at:
                    raise
                _logger.warning("command %s is sent again: %s", admitted.command.command_id, error)
                await anyio.sleep(backoff)
                backoff = min(backoff * 2, _LAST_BACKOFF_SECONDS)
