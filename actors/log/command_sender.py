"""How the runtime sends what agents report to the dispatcher: one command at a time, in order, until each is answered.

- A command that the store refuses is kept and sent again, under its id and as it was, until the deadline: while it
  is, the agent is not read, so nothing is dropped.
- A rejection is final. Where the session was replaced or its thread deleted, that is as it should be. For any other
  reason something that an agent or the runtime reported is missing from the history; `health` and the log report it.
- A command that names no session has an id derived from what it reports, so that it is recorded once, however
  often it is sent: one that was recorded before, in other words, is done.
- An activity whose detail does not fit an event is sent without it: what it reports has happened all the same.
"""

from __future__ import annotations

import logging
from typing import Final

import anyio
import attrs

from ...contracts.admission import AdmittedCommand, admit_own
from ...contracts.commands import InternalCommand, ThreadActivityAppend
from ...contracts.errors import CommandIdReused, CommandRejected, InvalidCommand, OrchestrionError, StoreError
from ...contracts.ids import CommandId, EventId
from ...contracts.read_model import DispatchResult
from ...contracts.values import JsonObject
from ...domain.session_commands import IngestedCommand
from ...persistence.command_envelope import CommandEnvelope
from ...persistence.command_group import CommandSuperseded
from ..backoff import Backoff
from ..last_errors import LastErrors
from .dispatcher import Dispatcher

_BACKOFF: Final = Backoff(first_seconds=0.05, longest_seconds=1.0)
_KEPT_DETAIL: Final = ("itemId", "requestId", "requestKind", "decision", "failed")

_logger = logging.getLogger(__name__)


class CommandSender:
    """Sends a session's commands as actor `provider`."""

    def __init__(self, dispatcher: Dispatcher, errors: LastErrors, *, storage_deadline: float) -> None:
        self._errors = errors
        self._dispatcher = dispatcher
        self._storage_deadline = storage_deadline

    async def send(
        self,
        ingested: IngestedCommand,
        *,
        caused_by: EventId | None = None,
        correlation_id: CommandId | None = None,
    ) -> DispatchResult | None:
        """Dispatch a command and wait for its answer; None when it was rejected, recorded before, or is no command.

        Raises:
            StoreError: the store kept refusing it until the deadline.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        try:
            admitted = _admitted(ingested.command)
        except InvalidCommand as error:
            self._note_void(ingested, error)
            return None
        envelope = CommandEnvelope.of(
            admitted,
            "provider",
            caused_by=caused_by,
            correlation_id=correlation_id,
            metadata=ingested.metadata,
            blobs=ingested.blobs,
        )
        give_up_at = anyio.current_time() + self._storage_deadline
        failures = 0
        while True:
            try:
                return await self._dispatcher.dispatch(envelope)
            except CommandSuperseded as late:
                _logger.info("a session's command comes too late: %s", late, extra=_ids(ingested))
                return None
            except CommandIdReused as error:
                if ingested.metadata.provider_session_id is not None:
                    self._note_void(ingested, error)
                return None
            except CommandRejected as error:
                self._note_void(ingested, error)
                return None
            except StoreError as error:
                self._errors.note(_actor(ingested), error)
                failures += 1
                wait = _BACKOFF.seconds(failures)
                if anyio.current_time() + wait > give_up_at:
                    raise
                if failures == 1:  # logged once, not with every try
                    _logger.warning(
                        "command %s is sent again: %s", admitted.command.command_id, error, extra=_ids(ingested)
                    )
                await anyio.sleep(wait)

    def _note_void(self, ingested: IngestedCommand, error: OrchestrionError) -> None:
        """What a command reports is not recorded, and will not be.

        An agent may cause this without end, so the log has the first of a thread's errors, then every second, fourth,
        eighth and so on.
        """
        times = self._errors.note(_actor(ingested), error)
        level = logging.DEBUG if times & (times - 1) else logging.ERROR
        _logger.log(
            level,
            "%s of thread %s is not recorded: %s",
            ingested.command.type,
            ingested.command.thread_id,
            error,
            exc_info=error if isinstance(error, InvalidCommand) else None,
            extra=_ids(ingested),
        )


def _actor(ingested: IngestedCommand) -> str:
    return f"session of {ingested.command.thread_id}"


def _ids(ingested: IngestedCommand) -> dict[str, object]:
    """What a log record about a session's command carries."""
    command = ingested.command
    return {
        "thread_id": command.thread_id,
        "command_id": command.command_id,
        "provider_session_id": ingested.metadata.provider_session_id,
    }


def _admitted(command: InternalCommand) -> AdmittedCommand:
    try:
        return admit_own(command, "provider")
    except InvalidCommand as error:
        if not isinstance(command, ThreadActivityAppend):
            raise
        whole = command.activity.payload
        kept: JsonObject = {key: whole[key] for key in _KEPT_DETAIL if key in whole}
        bare = attrs.evolve(command.activity, payload={**kept, "leftOut": str(error)})
        return admit_own(attrs.evolve(command, activity=bare), "provider")
