"""Settles an intent as the machine decided: by an activity, or by the status that follows a stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...contracts.events import (
    PersistedEvent,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from ...contracts.ids import ThreadId, TurnId
from ...domain.failures import WAY_TO_START_AFRESH
from ...domain.session.effects import (
    InterruptRefused,
    Outcome,
    ResponseUndelivered,
    SessionStopped,
    SteerQueued,
    TurnCancelled,
    TurnNotStarted,
    TurnTakenBack,
    TurnWasOver,
)
from ...domain.session.inputs import Failure
from ..log.intent_notes import IntentNotes
from ..log.secret_answers import SecretAnswers
from .context import ThreadContext
from .starter import AgentStarter


class Settling:
    """Settles the intents of one thread."""

    def __init__(
        self,
        notes: IntentNotes,
        starter: AgentStarter,
        secrets: SecretAnswers,
        read_context: Callable[[], Awaitable[ThreadContext | None]],
    ) -> None:
        self._notes = notes
        self._starter = starter
        self._secrets = secrets
        self._read_context = read_context

    async def settle(self, intent: PersistedEvent, outcome: Outcome) -> None:
        """Record the outcome.

        Raises:
            StoreError: it could not be recorded.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        match outcome:
            case TurnCancelled():
                await self._notes.turn_cancelled(intent, _turn_of(intent))
            case SteerQueued(is_cancelled=is_cancelled):
                await self._notes.steer_queued(intent, is_cancelled=is_cancelled)
            case TurnNotStarted(failure=failure):
                await self._not_started(intent, failure)
            case TurnTakenBack():
                await self._notes.interrupt_settled(intent, _turn_of(intent), was_queued=True)
            case TurnWasOver():
                await self._notes.interrupt_settled(intent, _turn_of(intent), was_queued=False)
            case InterruptRefused(failure=failure):
                await self._notes.interrupt_failed(intent, _turn_of(intent), failure.message)
            case ResponseUndelivered(failure=failure):
                self._secrets.take(intent.event_id)
                await self._notes.response_undelivered(intent, failure.message)
            case SessionStopped(forgets=forgets):
                await self._stopped(intent, forgets=forgets)

    async def _not_started(self, intent: PersistedEvent, failure: Failure) -> None:
        kind, error = "turn.start.failed", failure.message
        if failure.is_refused_resume:
            kind, error = "session.resume.failed", f"{error}; {WAY_TO_START_AFRESH}"
        await self._notes.turn_not_started(
            intent, _turn_of(intent), kind, reason=failure.reason, error=error, login=failure.login
        )

    async def _stopped(self, intent: PersistedEvent, *, forgets: bool) -> None:
        """The conversation is forgotten before the stop is settled, so that it does not survive a crash in between."""
        context = await self._read_context()
        if context is None:
            return
        if forgets:
            await self._starter.forget_conversation(ThreadId(intent.stream_id))
        elif context.resume_was_refused:
            await self._starter.drop_cursors(ThreadId(intent.stream_id))
        await self._notes.session_stopped(intent, context.thread.session)


def _turn_of(intent: PersistedEvent) -> TurnId:
    assert isinstance(intent.payload, ThreadTurnStartRequested | ThreadTurnInterruptRequested), intent.event_type
    return intent.payload.turn_id
