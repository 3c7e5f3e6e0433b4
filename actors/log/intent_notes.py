"""How an intent is settled when no agent's report settles it: an event in the thread that names it as its cause.

Command ids are derived from the intent, so an intent that is performed again after a crash is settled once.
"""

from __future__ import annotations

from ...contracts.commands import ThreadSessionSet, ThreadTurnSteerQueue
from ...contracts.events import NO_METADATA, PersistedEvent
from ...contracts.ids import CommandId, ThreadId, TurnId, runtime_id
from ...contracts.mint import Mint
from ...contracts.values import UNSET, FailureReason, JsonObject, Label, Session, Tone
from ...domain.failures import TURN_FAILED, failure_payload
from ...domain.session_commands import IngestedCommand
from .command_sender import CommandSender
from .thread_lines import thread_line


class IntentNotes:
    """Settles intents by activities and by session-sets."""

    def __init__(self, sender: CommandSender, mint: Mint) -> None:
        self._sender = sender
        self._mint = mint

    async def turn_not_started(
        self,
        intent: PersistedEvent,
        turn_id: TurnId,
        kind: str,
        *,
        reason: FailureReason,
        error: str,
        login: tuple[str, ...] = (),
    ) -> None:
        """The turn's agent could not be started or could not take it: why, then the settlement of the request."""
        failed = thread_line(
            f"{_settling(intent)}/failed",
            ThreadId(intent.stream_id),
            kind=TURN_FAILED,
            summary=error,
            payload=failure_payload(turn_id, reason, error, login),
            now=self._mint.now(),
        )
        await self._sender.send(failed, correlation_id=intent.correlation_id)
        await self._note(intent, "error", kind, error, payload={"turnId": turn_id, "reason": reason, "error": error})

    async def turn_cancelled(self, intent: PersistedEvent, turn_id: TurnId) -> None:
        """A queued turn will not run."""
        await self._note(
            intent, "info", "turn.cancelled", "The turn was cancelled before it ran", payload={"turnId": turn_id}
        )

    async def steer_queued(self, intent: PersistedEvent, *, is_cancelled: bool) -> None:
        """The message of a steering request becomes the next turn, or one that a stop has cancelled."""
        command = ThreadTurnSteerQueue(
            command_id=_settling(intent),
            thread_id=ThreadId(intent.stream_id),
            cancel_reason=Label("stopped") if is_cancelled else UNSET,
            created_at=self._mint.now(),
        )
        await self._send(intent, IngestedCommand(command=command, metadata=NO_METADATA))

    async def interrupt_settled(self, intent: PersistedEvent, turn_id: TurnId, *, was_queued: bool) -> None:
        """There was nothing to interrupt in an agent: the turn was queued, or is over."""
        summary = "The queued turn was taken back" if was_queued else "The turn was over already"
        await self._note(intent, "info", "turn.interrupt.settled", summary, payload={"turnId": turn_id})

    async def interrupt_failed(self, intent: PersistedEvent, turn_id: TurnId, error: str) -> None:
        """The agent refused the interrupt; its deadline goes on."""
        await self._note(intent, "error", "turn.interrupt.failed", error, payload={"turnId": turn_id, "error": error})

    async def response_undelivered(self, intent: PersistedEvent, reason: str) -> None:
        """An approval response found no open request."""
        await self._note(
            intent,
            "error",
            "approval.response.undelivered",
            f"The approval response was not delivered: {reason}",
            payload={"error": reason},
        )

    async def revert_refused(self, intent: PersistedEvent, reason: str, undone: JsonObject | None = None) -> None:
        """Nothing of the revert is done; `undone` names what of others it would have undone."""
        await self._note(
            intent,
            "error",
            "checkpoint.revert.refused",
            f"The thread was not reverted: {reason}",
            payload={"error": reason, **(undone or {})},
        )

    async def revert_failed(self, intent: PersistedEvent, error: str, safety_ref: str) -> None:
        """The revert ended half way; `safety_ref` keeps what stood in the workspace before it."""
        await self._note(
            intent,
            "error",
            "checkpoint.revert.failed",
            f"The revert ended half way: {error}",
            payload={"error": error, "safetyRef": safety_ref},
        )

    async def session_stopped(self, intent: PersistedEvent, before: Session | None) -> None:
        """A stop that found no agent alive."""
        now = self._mint.now()
        thread_id = ThreadId(intent.stream_id)
        session = Session(
            thread_id=thread_id,
            status="stopped",
            provider_name=None if before is None else before.provider_name,
            provider_session_id=None if before is None else before.provider_session_id,
            provider_thread_id=None if before is None else before.provider_thread_id,
            active_turn_id=None,
            last_error=None,
            updated_at=now,
        )
        command = ThreadSessionSet(command_id=_settling(intent), thread_id=thread_id, session=session, created_at=now)
        await self._send(intent, IngestedCommand(command=command, metadata=NO_METADATA))

    async def _note(self, intent: PersistedEvent, tone: Tone, kind: str, summary: str, *, payload: JsonObject) -> None:
        noted = thread_line(
            _settling(intent),
            ThreadId(intent.stream_id),
            tone=tone,
            kind=kind,
            summary=summary,
            payload=payload,
            now=self._mint.now(),
        )
        await self._send(intent, noted)

    async def _send(self, intent: PersistedEvent, command: IngestedCommand) -> None:
        await self._sender.send(command, caused_by=intent.event_id, correlation_id=intent.correlation_id)


def _settling(intent: PersistedEvent) -> CommandId:
    return CommandId(runtime_id("settle", intent.event_id))
