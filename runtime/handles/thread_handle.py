"""A thread as a host works with it: open it, give it turns, read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from ...contracts.commands import (
    ThreadCheckpointRevert,
    ThreadSessionStop,
    ThreadTurnStart,
)
from ...contracts.ids import ThreadId, TurnId
from ...contracts.new_values import new_command_id, new_message_id, now
from ...contracts.read_model import FullThreadView
from ...contracts.values import UNSET, Attachment, Count, Label, MessageText, UserMessage
from .runtime_calls import RuntimeCalls
from .turn_handle import OnApproval, OnQuestion, TurnHandle
from .turn_reader import TurnReader


class ThreadHandle:
    """A thread of the database. It holds nothing but the thread's id: any number of handles may be open."""

    def __init__(self, calls: RuntimeCalls, thread_id: ThreadId) -> None:
        self.thread_id = thread_id
        self._calls = calls

    @asynccontextmanager
    async def turn(
        self,
        text: str,
        *,
        on_approval: OnApproval | None = None,
        on_question: OnQuestion | None = None,
        attachments: Sequence[Attachment] = (),
        model: str | None = None,
        effort: str | None = None,
    ) -> AsyncIterator[TurnHandle]:
        """Ask for a turn and follow it. It waits behind the turns of the thread that were asked for before.

        `on_approval` and `on_question` answer the agent's requests while the block iterates the turn or awaits its
        result; without them answer by `TurnHandle.respond` and `answer`. Leaving the block leaves the turn running.

        Raises:
            InvalidCommand: the text or an option is at fault.
            CommandRejected: the thread was deleted.
            Exception: what `on_approval` or `on_question` raised, when the block is left.
        """
        start = ThreadTurnStart(
            command_id=new_command_id(),
            thread_id=self.thread_id,
            message=UserMessage(message_id=new_message_id(), text=MessageText(text), attachments=tuple(attachments)),
            model=UNSET if model is None else Label(model),
            effort=UNSET if effort is None else Label(effort),
            created_at=now(),
        )
        asked = await self._calls.dispatch(start)
        assert asked.turn_id is not None, "a turn start names its turn"
        begin = asked.events[0].sequence - 1
        following = follow(
            self._calls, self.thread_id, asked.turn_id, begin=begin, on_approval=on_approval, on_question=on_question
        )
        async with following as turn:
            yield turn

    async def read(self) -> FullThreadView:
        """The thread as the read model has it, with messages, activities and checkpoints."""
        snapshot = await self._calls.get_snapshot(thread_id=self.thread_id, detail="full")
        return cast("FullThreadView", snapshot.threads[0])

    async def revert(self, turn_count: int, *, revert_others: bool = False) -> None:
        """Ask to take workspace and conversation back to the end of turn `turn_count`; 0 is before the first.

        Raises:
            CommandRejected: there is no such turn.
        """
        await self._calls.dispatch(
            ThreadCheckpointRevert(
                command_id=new_command_id(),
                thread_id=self.thread_id,
                turn_count=Count(turn_count),
                revert_others=revert_others or UNSET,
                created_at=now(),
            )
        )

    async def stop(self, *, forget_conversation: bool = False) -> None:
        """End the thread's agent. The next turn starts it again."""
        await self._calls.dispatch(
            ThreadSessionStop(
                command_id=new_command_id(),
                thread_id=self.thread_id,
                forget_conversation=forget_conversation or UNSET,
                created_at=now(),
            )
        )


@asynccontextmanager
async def follow(
    calls: RuntimeCalls,
    thread_id: ThreadId,
    turn_id: TurnId,
    *,
    begin: int,
    after: int = 0,
    on_approval: OnApproval | None = None,
    on_question: OnQuestion | None = None,
) -> AsyncIterator[TurnHandle]:
    """Read a turn from the event `begin` (exclusive) on, and give the items that come after `after`."""
    async with calls.subscribe(begin, thread_id) as events:
        turn = TurnHandle(calls, events, TurnReader(turn_id), thread_id, after=max(begin, after))
        try:
            async with turn.answering(on_approval, on_question):
                yield turn
        finally:
            turn.leave()


def follow_found(
    calls: RuntimeCalls, turn_id: TurnId, *, after: int, on_approval: OnApproval | None, on_question: OnQuestion | None
) -> AbstractAsyncContextManager[TurnHandle]:
    """Find a turn by its id and follow it."""

    @asynccontextmanager
    async def followed() -> AsyncIterator[TurnHandle]:
        place = await calls.find_turn(turn_id)
        begin = place.sequence - 1
        following = follow(
            calls,
            place.thread_id,
            turn_id,
            begin=begin,
            after=after,
            on_approval=on_approval,
            on_question=on_question,
        )
        async with following as turn:
            yield turn

    return followed()
