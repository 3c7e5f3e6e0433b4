"""A turn as a host follows it: an iterator over its items, and the commands that concern it.

It has no state that the log does not have: a reader of the thread's subscription, and a sender of commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import anyio
import attrs
from anyio.abc import TaskGroup

from ...actors.checkpoints.git import find_git
from ...actors.log.subscriptions import Subscription
from ...contracts.commands import ThreadApprovalRespond, ThreadTurnInterrupt, ThreadTurnSteer
from ...contracts.errors import CommandRejected, RuntimeStopped
from ...contracts.ids import ApprovalRequestId, ThreadId, TurnId
from ...contracts.new_values import new_command_id, now
from ...contracts.provider_events import ApprovalOption
from ...contracts.read_model import ThreadView
from ...contracts.values import UNSET, ApprovalDecision, ApprovalOptionKind, UserMessage
from .items import Approval, Ended, QuestionForm, Resolved, Text, TurnItem
from .runtime_calls import RuntimeCalls
from .turn_reader import TurnReader

ApprovalAnswer: TypeAlias = ApprovalDecision | ApprovalOption
"""A decision, or one of the agent's own options."""

OnApproval: TypeAlias = Callable[[Approval], Awaitable[ApprovalAnswer]]
"""Called for each request in a task of its own. It is cancelled when the request is settled in another way."""

FormAnswer: TypeAlias = Mapping[str, Any] | Literal["decline", "cancel"]
"""The answers by the ids of the questions, or: the turn goes on without them, or ends."""

OnQuestion: TypeAlias = Callable[[QuestionForm], Awaitable[FormAnswer]]
"""Called for each form, as `OnApproval` for each request."""

_DECISIONS: Final[dict[ApprovalOptionKind, ApprovalDecision]] = {
    "allow_once": "accept",
    "allow_always": "acceptForSession",
    "reject_once": "decline",
    "reject_always": "decline",
    "other": "accept",
}


@attrs.frozen(kw_only=True)
class TurnResult:
    """How a turn ended. `text` is what the agent wrote, its messages joined by an empty line."""

    ended: Ended
    text: str


class TurnHandle:
    """One turn. Iterating it gives its items in order, each once, to the task that follows it; `Ended` is the last.

    `position` is the sequence of the last event read: `runtime.turn(turn_id, after=position)` goes on there, also after
    a restart. Leaving the block stops following; the turn itself goes on, and `result`, `diff` and the commands still
    work.
    """

    def __init__(
        self, calls: RuntimeCalls, events: Subscription, reader: TurnReader, thread_id: ThreadId, *, after: int
    ) -> None:
        self.thread_id = thread_id
        self.position = after
        self._calls = calls
        self._events = events
        self._reader = reader
        self._after = after
        self._read_up_to = events.position
        self._is_left = False
        self._messages: dict[str, str] = {}
        self._ended: Ended | None = None
        self._requests: _Answering | None = None

    @property
    def turn_id(self) -> TurnId:
        return self._reader.turn_id

    def __aiter__(self) -> AsyncIterator[TurnItem]:
        return self

    async def __anext__(self) -> TurnItem:
        if self._is_left and self._ended is None:
            raise RuntimeError("a turn is iterated within its block")
        while self._ended is None:
            item = await self._next_item()
            if item is not None:
                return item
        raise StopAsyncIteration

    async def result(self) -> TurnResult:
        """Read the turn to its end; items that were not iterated are passed over.

        Raises:
            RuntimeStopped: the runtime stopped before.
        """
        async with self._following():
            while self._ended is None:
                await self._next_item()
        assert self._ended is not None, "the turn was read to its end"
        return TurnResult(ended=self._ended, text="\n\n".join(filter(None, map(str.strip, self._messages.values()))))

    async def interrupt(self) -> None:
        """Ask the agent to end the turn; a turn that waits in the queue is cancelled. `Ended` follows.

        A turn that has ended meanwhile is left as it is.
        """
        interrupt = ThreadTurnInterrupt(
            command_id=new_command_id(), thread_id=self.thread_id, turn_id=self.turn_id, created_at=now()
        )
        try:
            await self._calls.dispatch(interrupt)
        except CommandRejected:
            if self._ended is None and not await self._is_over():
                raise

    async def steer(self, message: str | UserMessage) -> None:
        """Send a message into the running turn. An agent that cannot take it then, or has ended the turn, gets it as
        the next turn, before those that wait.

        Raises:
            CommandRejected: the thread was deleted.
        """
        await self._calls.dispatch(ThreadTurnSteer(thread_id=self.thread_id, message=message))

    async def respond(self, request_id: ApprovalRequestId, answer: ApprovalAnswer) -> None:
        """Answer one of the agent's requests.

        Raises:
            CommandRejected: the request is not open any more.
        """
        option = answer if isinstance(answer, ApprovalOption) else None
        decision = _DECISIONS[answer.kind] if isinstance(answer, ApprovalOption) else answer
        response = ThreadApprovalRespond(
            command_id=new_command_id(),
            thread_id=self.thread_id,
            request_id=request_id,
            decision=decision,
            option_id=UNSET if option is None else option.id,
            created_at=now(),
        )
        await self._calls.dispatch(response)

    async def answer(self, request_id: ApprovalRequestId, answer: FormAnswer) -> None:
        """Answer the agent's questions, decline them, or cancel the turn.

        Raises:
            CommandRejected: the form is not open any more, or an answer does not fit its question.
        """
        response = ThreadApprovalRespond(
            command_id=new_command_id(),
            thread_id=self.thread_id,
            request_id=request_id,
            decision=answer if isinstance(answer, str) else "accept",
            answers=UNSET if isinstance(answer, str) else answer,
            created_at=now(),
        )
        await self._calls.dispatch(response)

    async def diff(self) -> str:
        """The unified diff of what the turn changed, once its end was captured; "" for a turn that did not begin.

        Reads the turn to its end first.

        Raises:
            TurnDiffNotFound: the turn's start or end could not be captured; the thread's activities have the cause.
            GitUnavailable: there is no git program, so nothing was captured.
            RuntimeStopped: the runtime stopped before.
        """
        await self.result()
        if not self._reader.is_captured:
            await find_git()
        async with self._following():
            while not self._reader.is_captured:
                await self._next_item()
        count = self._reader.turn_count
        if count is None:
            return ""
        return (await self._calls.get_turn_diff(self.thread_id, count - 1, count)).diff

    def leave(self) -> None:
        """The block is left: its subscription is closed, and requests are answered no more."""
        self._is_left = True
        self._requests = None

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[None]:
        """Within it events are read: those of the block, or of a subscription that goes on after it."""
        if not self._is_left:
            yield
            return
        async with self._calls.subscribe(self._read_up_to, self.thread_id) as self._events:
            yield

    async def _next_item(self) -> TurnItem | None:
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            raise RuntimeStopped("the runtime stopped before the turn was over") from None
        item = self._reader.read(event)
        self._read_up_to = event.sequence
        self.position = max(self.position, event.sequence)
        if isinstance(item, Text):
            self._messages[item.message_id] = self._messages.get(item.message_id, "") + item.text
        if isinstance(item, Ended):
            self._ended = item
        if self._requests is not None:
            self._requests.note(item)
        return item if event.sequence > self._after or isinstance(item, Ended) else None

    async def _is_over(self) -> bool:
        turns = (await self._read_thread()).turns
        return any(one.turn_id == self.turn_id and one.status != "running" for one in turns)

    async def _read_thread(self) -> ThreadView:
        return (await self._calls.get_snapshot(thread_id=self.thread_id, detail="summary")).threads[0]

    async def is_open(self, request_id: ApprovalRequestId) -> bool:
        """Whether one of the agent's requests still waits for an answer."""
        return any(one.request_id == request_id for one in (await self._read_thread()).pending_approvals)

    @asynccontextmanager
    async def answering(self, on_approval: OnApproval | None, on_question: OnQuestion | None) -> AsyncIterator[None]:
        """Call the functions for the open requests that are read within the block.

        What it raises ends the block and is raised from it, as it is, and so is what the block raises.
        """
        if on_approval is None and on_question is None:
            yield
            return
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            requests = self._requests = _Answering(self, on_approval, on_question, tasks)
            try:
                yield
            except Exception as error:
                failure = error
            tasks.cancel_scope.cancel()
        failure = requests.failure or failure
        if failure is not None:
            raise failure


@attrs.define(eq=False)
class _Answering:
    """The requests of a turn that the functions of its host were called for."""

    turn: TurnHandle
    on_approval: OnApproval | None
    on_question: OnQuestion | None
    tasks: TaskGroup
    failure: Exception | None = None
    _scopes: dict[ApprovalRequestId, anyio.CancelScope] = attrs.field(factory=dict)

    def note(self, item: TurnItem | None) -> None:
        match item:
            case Approval() if self.on_approval is not None:
                self._begin(item.request_id, partial(self._decide, self.on_approval, item))
            case QuestionForm() if self.on_question is not None:
                self._begin(item.request_id, partial(self._fill_in, self.on_question, item))
            case Resolved(request_id=request_id) if request_id in self._scopes:
                self._scopes.pop(request_id).cancel()
            case Ended():
                for scope in self._scopes.values():
                    scope.cancel()
            case _:
                pass

    def _begin(self, request_id: ApprovalRequestId, respond: Callable[[], Awaitable[None]]) -> None:
        self._scopes[request_id] = anyio.CancelScope()
        self.tasks.start_soon(self._respond, request_id, respond, self._scopes[request_id])

    async def _respond(
        self, request_id: ApprovalRequestId, respond: Callable[[], Awaitable[None]], scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                if not await self.turn.is_open(request_id):
                    return  # it is read again, and was settled since
                try:
                    await respond()
                except CommandRejected:  # another client may have been first
                    if await self.turn.is_open(request_id):
                        raise
        except Exception as error:
            self.failure = self.failure or error
            self.tasks.cancel_scope.cancel()

    async def _decide(self, on_approval: OnApproval, approval: Approval) -> None:
        await self.turn.respond(approval.request_id, await on_approval(approval))

    async def _fill_in(self, on_question: OnQuestion, form: QuestionForm) -> None:
        await self.turn.answer(form.request_id, await on_question(form))
