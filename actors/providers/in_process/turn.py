"""A turn as the generator of an in-process agent sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import attrs

from ....contracts.ids import ApprovalRequestId, ProviderItemId, TurnId
from ....contracts.provider_events import ApprovalKind, ApprovalRequested, ProviderRuntimeEvent, QuestionRequested
from ....contracts.questions import Question
from ....contracts.read_model import MessageView
from ....contracts.values import ApprovalDecision, JsonObject
from ..adapter import SessionRequest, TurnRequest

__all__ = ["InProcessTurn", "Run", "UserReply", "UserRequest"]

UserRequest: TypeAlias = ApprovalRequested | QuestionRequested


@attrs.frozen(kw_only=True)
class UserReply:
    """What the user decided on a request, with the answers to its questions."""

    decision: ApprovalDecision
    answers: JsonObject = attrs.field(factory=dict, repr=False)


Ask: TypeAlias = Callable[[Callable[[ApprovalRequestId], UserRequest]], Awaitable[UserReply]]
"""Reports the request that is made for an id, and waits for the reply."""


@attrs.frozen(kw_only=True, eq=False)
class InProcessTurn:
    """What the user asks for, the thread's earlier messages, and a way to ask for permission.

    `request` has the message's text, its attachments, and the model and effort that were chosen; `session` the thread
    and the workspace.
    """

    request: TurnRequest
    session: SessionRequest
    _after: TurnId | None
    _ask: Ask

    @property
    def text(self) -> str:
        """The user's message."""
        return self.request.text

    async def history(self, *, turns: int | None = None) -> tuple[MessageView, ...]:
        """The messages of the conversation's earlier turns, oldest first; of its last `turns` turns only.

        Each call reads the thread's rows, as they are after restarts and reverts. Empty where no runtime drives the
        agent.

        Raises:
            StoreError: the database cannot be read.
        """
        history, turn_id = self.session.history, self.request.turn_id
        if history is None or turn_id is None:
            return ()
        return await history.messages(before=turn_id, after=self._after, turns=turns)

    async def ask(
        self,
        summary: str,
        *,
        kind: ApprovalKind = "permission",
        item: ProviderItemId | None = None,
        detail: JsonObject | None = None,
    ) -> ApprovalDecision:
        """Ask the user, and wait for the decision: `accept`, `acceptForSession` or `decline`.

        A user who cancels, or interrupts the turn, cancels the generator where it waits. Several tasks may ask at once.
        """
        reply = await self._ask(
            lambda name: ApprovalRequested(request=name, kind=kind, summary=summary, item=item, detail=detail or {})
        )
        return reply.decision

    async def ask_user(self, summary: str, *questions: Question) -> JsonObject | None:
        """Ask the user questions, and wait for the answers by question id; None if the user declines to answer.

        A user who cancels, or interrupts the turn, cancels the generator where it waits.
        """
        reply = await self._ask(lambda name: QuestionRequested(request=name, summary=summary, questions=questions))
        return None if reply.decision == "decline" else reply.answers


Run: TypeAlias = Callable[[InProcessTurn], AsyncIterator[ProviderRuntimeEvent | str]]
"""An asynchronous generator function. It may run for several threads at once, and must not block the event loop."""
