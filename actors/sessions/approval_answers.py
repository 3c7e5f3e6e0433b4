"""How a user's answer reaches the agent that asked, and what becomes of a request whose answer does not reach it.

- An answer that fits no option of the request is refused before anything is sent: the user is asked again, under a
  fresh id. One who was asked too often is taken to decline.
- An answer that the adapter refuses otherwise cancels the request, since its user cannot answer it again. Where that
  is refused too, the adapter has no such request: it is closed, and the turn goes on under the clock of silence.
- Where a call hangs or raises anything else, how far it came is unknown: the turn fails and the agent is ended, as it
  is where the agent is gone and does not report its end.
"""

from __future__ import annotations

import logging
from typing import Final

from ...contracts.errors import AnswerRefused, ProviderError, SessionLost
from ...contracts.events import PersistedEvent, ThreadApprovalResponseRequested
from ...contracts.ids import ApprovalRequestId
from ...contracts.values import UNSET, ApprovalDecision
from ...persistence.crash_points import crash_point
from ..log.intent_notes import IntentNotes
from ..providers.provider_calls import ProviderDefect
from ..served_time import served_scope
from .agent_life import AgentLife
from .thread_agent import ThreadAgent

EXIT_SECONDS: Final = 2.0
"""How long an agent that is said to be gone may take to report how it ended."""

_logger = logging.getLogger(__name__)


class ApprovalAnswers:
    """Delivers the answers of one thread's user. Belongs to the task of its session."""

    def __init__(self, agent: ThreadAgent, notes: IntentNotes) -> None:
        self._agent = agent
        self._notes = notes

    async def deliver(self, intent: PersistedEvent, response: ThreadApprovalResponseRequested) -> None:
        """Perform an approval response.

        Raises:
            StoreError: the outcome of the answer could not be recorded.
            MailboxClosed: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        life, asked = self._agent.life, response.request_id
        own = None if life is None else life.open_approval(asked)
        if life is None or own is None:
            await self._notes.response_undelivered(intent, "the agent no longer waits for it")
            return
        life.expect_answer(asked, intent)
        try:
            if response.option_id is UNSET:
                await life.connection.respond(own, response.decision)
            else:
                await life.connection.respond(own, response.decision, option=response.option_id)
            crash_point("approval.answered")
        except ProviderError as error:
            life.forget_answer(asked)
            await self._notes.response_undelivered(intent, str(error))
            await self._settle(life, own, error)
        else:
            life.answered(own)

    async def _settle(self, life: AgentLife, own: ApprovalRequestId, error: ProviderError) -> None:
        """Leave no request open that nobody could answer: its user's answer has resolved it in the read model."""
        failure: ProviderError | None = error
        if isinstance(failure, AnswerRefused):
            if await life.ask_again(own):
                return
            failure = await _answer(life, own, "decline")
        if failure is not None and not isinstance(failure, SessionLost | ProviderDefect):
            failure = await _answer(life, own, "cancel")
        if failure is None or not life.is_open(own):
            return
        _logger.warning("an approval request could not be closed: %s", failure, extra=life.ids())
        if isinstance(failure, SessionLost):
            with served_scope(EXIT_SECONDS):
                await life.ended.wait()
        elif not isinstance(failure, ProviderDefect):
            await life.close_unanswered(own)
            return
        if not life.is_over:
            message = f"the agent could not be answered: {failure}"
            await self._agent.fail(message, failure.reason or "unknown")


async def _answer(life: AgentLife, own: ApprovalRequestId, decision: ApprovalDecision) -> ProviderError | None:
    """Answer a request for its user, if it is still open; why that failed."""
    if not life.is_open(own):
        return None
    try:
        await life.connection.respond(own, decision)
    except ProviderError as error:
        return error
    life.answered(own)
    return None
