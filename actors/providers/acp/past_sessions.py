"""The sessions that an ACP agent keeps: `session/list`, and `session/load`, whose replay is the conversation.

Only an agent that advertises both is asked. A session is loaded in a process that takes no turn. The replay tells no
instants.
Source: https://agentclientprotocol.com/protocol/session-list
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ....contracts.conversations import ConversationHistory, ListedConversation, PastActivity, PastItem, PastMessage
from ....contracts.errors import ProviderUnavailable
from ....contracts.ids import ProviderThreadId, identifier_fault
from ....contracts.provider_events import (
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    ToolCompleted,
)
from ....contracts.values import Instant, JsonObject, normalised_instant
from ..jsonrpc.inquiry import InquiryConnection
from ..jsonrpc.protocol import Notification, Result
from ..loose_json import list_of, object_of, text_of
from ..process.agent_process import AgentProcess
from .handshake import AgentFeatures, initialize
from .protocol import AcpConversation
from .replay_watch import ReplayWatch
from .tool_call import content_text

__all__ = ["AcpSessions", "ReplayedConversation"]

_LONGEST_SECONDS: Final = 30 * 60.0
_MAX_SESSIONS: Final = 100_000
_END: Final = Result(id=0, value={"stopReason": "end_turn"})


class ReplayedConversation:
    """What a replay tells, as items. A message of the user ends the agent's turn, and the first update begins one."""

    def __init__(self, session_id: ProviderThreadId) -> None:
        self._conversation = AcpConversation(session_id=session_id)
        self._items: list[PastItem] = []
        self._said: list[str] = []
        self._user_message: str | None = None
        self._answer: list[str] = []

    def add(self, params: JsonObject) -> None:
        """Take a `session/update`; one of another session is ignored."""
        update = object_of(params.get("update"))
        if params.get("sessionId") != self._conversation.session_id:
            return
        if text_of(update.get("sessionUpdate")) == "user_message_chunk":
            self._add_user_text(update)
            return
        self._end_user_message()
        if not self._conversation.running:
            self._conversation, _ = self._conversation.begin_turn()
        self._conversation, step = self._conversation.take_update(params)
        self._add_events(step.events)

    def items(self) -> tuple[PastItem, ...]:
        """Everything, once the replay is over."""
        self._end_user_message()
        self._end_turn()
        return tuple(self._items)

    def _add_user_text(self, update: JsonObject) -> None:
        self._end_turn()
        message_id = text_of(update.get("messageId"))
        if self._user_message is not None and message_id != self._user_message:
            self._end_user_message()
        self._user_message = message_id
        kind = text_of(object_of(update.get("content")).get("type"))
        self._said.append(content_text(update.get("content")) or ("" if kind == "text" else f"[{kind[:40]}]"))

    def _end_user_message(self) -> None:
        text = "".join(self._said)
        if text.strip():
            self._items.append(PastMessage(role="user", text=text))
        self._said, self._user_message = [], None

    def _end_turn(self) -> None:
        if self._conversation.running:
            self._conversation, step = self._conversation.take_prompt_reply(_END)
            self._add_events(step.events)

    def _add_events(self, events: Iterable[ProviderRuntimeEvent]) -> None:
        for event in events:
            match event:
                case MessageDelta(text=text):
                    self._answer.append(text)
                case MessageCompleted():
                    text = "".join(self._answer)
                    if text.strip():
                        self._items.append(PastMessage(role="assistant", text=text))
                    self._answer = []
                case ToolCompleted() | ReasoningCompleted() | PlanUpdated():
                    self._items.append(PastActivity(event=event))
                case _:
                    pass


class AcpSessions(InquiryConnection):
    """A process of an ACP agent that is asked for its sessions and takes no turn. A `KeptConversations`."""

    def __init__(self, process: AgentProcess, *, deadline_seconds: float) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._agent = AgentFeatures()
        self._replayed: ReplayedConversation | None = None
        self._watch: ReplayWatch | None = None

    async def open(self, start_deadline_seconds: float) -> None:
        async with self._reporting_start_failures():
            self._agent = await initialize(self._peer, deadline_seconds=start_deadline_seconds)

    async def list(self, directory: Path | None = None) -> tuple[ListedConversation, ...]:
        """As `KeptConversations.list`."""
        if not self._agent.can_list:
            raise ProviderUnavailable(f"{self._process.program} does not list its sessions: it lacks `session/list`")
        where: JsonObject = {} if directory is None else {"cwd": str(directory)}
        found: list[ListedConversation] = []
        cursor: JsonObject = {}
        while len(found) < _MAX_SESSIONS:
            reply = await self._peer.request(
                "session/list", {**where, **cursor}, deadline_seconds=self._deadline_seconds
            )
            page = object_of(reply)
            found += [one for session in list_of(page.get("sessions")) if (one := _listed(object_of(session)))]
            if not text_of(page.get("nextCursor")):
                break
            cursor = {"cursor": page["nextCursor"]}
        return tuple(found)

    async def read(self, conversation: ListedConversation) -> ConversationHistory:
        """As `KeptConversations.read`."""
        program = self._process.program
        if not self._agent.can_load:
            raise ProviderUnavailable(f"{program} does not replay its sessions: it lacks `session/load`")
        session_id = conversation.session_id
        self._replayed = replayed = ReplayedConversation(session_id)
        params = {"sessionId": session_id, "cwd": conversation.directory, "mcpServers": []}
        await self._peer.request(
            "session/load", params, deadline_seconds=self._deadline_seconds, longest_seconds=_LONGEST_SECONDS
        )
        self._watch = ReplayWatch()
        await self._watch.wait_for_quiet(program)
        self._replayed = self._watch = None
        return ConversationHistory(conversation=conversation, items=replayed.items(), cursor={"sessionId": session_id})

    def _take_notification(self, message: Notification) -> bool:
        if message.method != "session/update" or self._replayed is None:
            return False
        params = object_of(message.params)
        if self._watch is not None:
            self._watch.note_update(text_of(object_of(params.get("update")).get("sessionUpdate")))
        self._replayed.add(params)
        return True


def _listed(session: JsonObject) -> ListedConversation | None:
    session_id, directory = text_of(session.get("sessionId")), text_of(session.get("cwd"))
    if identifier_fault(session_id) is not None or not Path(directory).is_absolute():
        return None
    return ListedConversation(
        session_id=ProviderThreadId(session_id),
        directory=directory,
        title=text_of(session.get("title")),
        updated_at=_instant(session.get("updatedAt")),
    )


def _instant(text: Any) -> Instant | None:
    try:
        return normalised_instant(text_of(text))
    except ValueError:
        return None
