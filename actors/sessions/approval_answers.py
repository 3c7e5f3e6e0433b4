"""Delivers a user's answer to the agent, and handles requests whose answers cannot be delivered.

- An answer that fits no option of the request is refused before anything is sent: the user is asked again, under a
  fresh id. After too many such answers the request is declined. The same holds for an answer whose secrets were lost.
- An answer that the adapter refuses otherwise cancels the request, since its user cannot answer it again. Where that
  is refused too, the adapter has no such request: it is closed, and the turn goes on under the clock of silence.
- If a call hangs or raises anything else, it is unknown whether the agent has the answer: the agent is not usable any
  more. Nor is one that has ended without reporting it.
"""

from __future__ import annotations

import logging
from typing import Final

from ...contracts.errors import AnswerRefused, ProviderError, SessionLost
from ...contracts.events import PersistedEvent, ThreadApprovalResponseRequested
from ...contracts.ids import ApprovalRequestId, EventId
from ...contracts.provider_events import QuestionRequested
from ...contracts.values import UNSET, ApprovalDecision, JsonObject
from ...persistence.crash_points import crash_point
from ..log.secret_answers import SecretAnswers
from ..providers.provider_calls import ProviderDefect
from ..served_time import served_scope
from .agent_run import AgentRun

EXIT_SECONDS: Final = 2.0
"""How long an agent whose process is lost may take to report its end."""

_logger = logging.getLogger(__name__)


class ApprovalAnswers:
    """Delivers the answers of one thread's user. Belongs to the task of its worker."""

    def __init__(self, secrets: SecretAnswers) -> None:
        self._secrets = secrets
        self._refused: dict[EventId, tuple[ApprovalRequestId, ProviderError]] = {}

    async def deliver(
        self, run: AgentRun, intent: PersistedEvent, response: ThreadApprovalResponseRequested
    ) -> ProviderError | None:
        """Deliver an answer. Returns the error if that failed and the intent has no outcome yet."""
        asked = response.request_id
        secret = self._secrets.take(intent.event_id)
        own = run.open_approval(asked)
        if own is None:
            return None if run.has_settled(intent) else ProviderError("the agent no longer waits for it")
        if not run.expect_answer(asked, intent):
            return None  # delivered before
        try:
            await _respond(run, own, response, secret)
            crash_point("approval.answered")
        except ProviderError as error:
            if not run.forget_answer(asked):
                return None
            self._refused[intent.event_id] = own, error
            return error
        run.answered(own)
        return None

    def leaves_open(self, intent: PersistedEvent) -> bool:
        """Whether the answer failed at a request that is still open: `close` it."""
        return intent.event_id in self._refused

    async def close(self, run: AgentRun, answered: EventId) -> ProviderError | None:
        """Close a request that the user cannot answer again, because the read model has it as resolved.

        Returns an error if the agent is not usable any more.
        """
        own, error = self._refused.pop(answered)
        failure: ProviderError | None = error
        if isinstance(failure, AnswerRefused):
            if await run.ask_again(own):
                return None
            failure = await _answer(run, own, "decline")
        if failure is not None and not isinstance(failure, SessionLost | ProviderDefect):
            failure = await _answer(run, own, "cancel")
        if failure is None or not run.is_open(own):
            return None
        _logger.warning("an approval request could not be closed: %s", failure, extra=run.ids())
        if isinstance(failure, SessionLost):
            with served_scope(EXIT_SECONDS):
                await run.ended.wait()
        elif not isinstance(failure, ProviderDefect):
            await run.close_unanswered(own)
            return None
        return None if run.is_over else failure


async def _respond(
    run: AgentRun, own: ApprovalRequestId, response: ThreadApprovalResponseRequested, secret: JsonObject
) -> None:
    answers = _with_secrets(run, own, response, secret)
    option = None if response.option_id is UNSET else response.option_id
    try:
        await run.connection.respond(own, response.decision, option=option, answers=answers)
    except ProviderError as error:
        if secret:  # errors are stored, and this one may quote what was given
            error.args = (f"{type(error).__name__}; its text is left out, because secret answers were given",)
        raise


def _with_secrets(
    run: AgentRun, own: ApprovalRequestId, response: ThreadApprovalResponseRequested, secret: JsonObject
) -> JsonObject | None:
    """The answers to deliver: those of the event, and in their place the secret ones.

    Raises:
        AnswerRefused: a secret answer was lost.
    """
    if response.answers is UNSET:
        return None
    answers = {**response.answers, **secret}
    request = run.request(own)
    questions = request.questions if isinstance(request, QuestionRequested) else ()
    lost = [one.id for one in questions if one.secret and one.id in answers and one.id not in secret]
    if lost:
        raise AnswerRefused(f"secret answers are not stored, and these were lost: {', '.join(lost)}")
    return answers


async def _answer(run: AgentRun, own: ApprovalRequestId, decision: ApprovalDecision) -> ProviderError | None:
    """Answer a request in the user's place if it is still open. Returns the error if that failed."""
    if not run.is_open(own):
        return None
    try:
        await run.connection.respond(own, decision)
    except ProviderError as error:
        return error
    run.answered(own)
    return None
