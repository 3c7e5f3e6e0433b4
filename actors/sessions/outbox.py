"""The unanswered commands of one run of an agent, in order, each with the intent that it settles.

A command that the store refuses stays first in line, unchanged. Belongs to the run, which sends one command at a time.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

from ...contracts.commands import ThreadActivityAppend, ThreadSessionSet
from ...contracts.errors import StoreError
from ...contracts.events import PersistedEvent
from ...contracts.ids import ApprovalRequestId, CommandId, EventId
from ...domain.approvals import RESOLVED
from ...domain.session_commands import IngestedCommand
from ..log.command_sender import CommandSender

_REMEMBERED_SETTLED: Final = 64
"""How many recently settled intents are remembered: the log may have been read before they were."""


@attrs.frozen
class _Outgoing:
    ingested: IngestedCommand
    caused_by: EventId | None
    correlation_id: CommandId | None


class AgentOutbox:
    """`correlation_id` is the client command that commands put in line now go back to."""

    def __init__(self, sender: CommandSender, *, correlation_id: CommandId | None) -> None:
        self.correlation_id = correlation_id
        self._sender = sender
        self._unsent: deque[_Outgoing] = deque()
        self._answers: dict[str, PersistedEvent] = {}
        self._ending: PersistedEvent | None = None
        self._settled: deque[EventId] = deque(maxlen=_REMEMBERED_SETTLED)

    def has_settled(self, intent: PersistedEvent) -> bool:
        """Whether a command that was put in line lately is the intent's outcome."""
        return intent.event_id in self._settled

    def expect_end(self, intent: PersistedEvent) -> None:
        """The next end of a turn, or of the session, is this intent's outcome."""
        self._ending = intent

    def expect_answer(self, asked: ApprovalRequestId, intent: PersistedEvent) -> bool:
        """Make the resolution of this request the intent's outcome; False if it already was."""
        before = self._answers.get(asked)
        self._answers[asked] = intent
        return before is None or before.event_id != intent.event_id

    def forget_end(self, intent: PersistedEvent) -> bool:
        """No end is this intent's outcome any more; False if one already was."""
        is_expected = self._ending is intent
        if is_expected:
            self._ending = None
        return is_expected

    def forget_answer(self, asked: ApprovalRequestId) -> bool:
        """No resolution is an intent's outcome any more; False if one already was."""
        return self._answers.pop(asked, None) is not None

    def put(self, *commands: IngestedCommand) -> None:
        for command in commands:
            intent = self._intent_settled_by(command)
            if intent is not None:
                self._settled.append(intent.event_id)
            caused_by = None if intent is None else intent.event_id
            correlation_id = self.correlation_id if intent is None else intent.correlation_id
            self._unsent.append(_Outgoing(command, caused_by, correlation_id))

    def settle(self, intent: PersistedEvent, command: IngestedCommand) -> None:
        """Put a command in line that is this intent's outcome."""
        self._settled.append(intent.event_id)
        self._unsent.append(_Outgoing(command, intent.event_id, intent.correlation_id))

    async def deliver(self) -> None:
        """Send the commands in line. One that the store refuses stays there; one that fails otherwise would fail again.

        Raises what `CommandSender.send` raises.
        """
        while self._unsent:
            first = self._unsent[0]
            try:
                await self._sender.send(first.ingested, caused_by=first.caused_by, correlation_id=first.correlation_id)
            except StoreError:
                raise
            except Exception:
                self._unsent.popleft()
                raise
            self._unsent.popleft()

    def _intent_settled_by(self, ingested: IngestedCommand) -> PersistedEvent | None:
        """The interrupt, stop or approval response whose outcome this command reports."""
        match ingested.command:
            case ThreadSessionSet(session=session) if session.active_turn_id is None:
                ending, self._ending = self._ending, None
                return ending
            case ThreadActivityAppend(activity=activity) if activity.kind == RESOLVED:
                return self._answers.pop(activity.payload["requestId"], None)
            case _:
                return None
