"""The threads that Codex keeps, of every origin, as its app-server lists and reads them.

Nothing is resumed: a thread is read beside a process that has it open. A turn that runs is left out, and what comes
after it. Source: `codex app-server generate-json-schema`, `thread/list` and `thread/turns/list`
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Final

from ....contracts.conversations import ConversationHistory, ListedConversation, PastActivity, PastItem, PastMessage
from ....contracts.ids import ProviderItemId, ProviderThreadId, identifier_fault
from ....contracts.provider_events import PlanUpdated, ReasoningCompleted
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..failures import instant_of
from ..jsonrpc.inquiry import InquiryConnection
from ..loose_json import list_of, object_of, text_of
from .handshake import initialize
from .items import SILENT_TYPES, TOOL_TYPES, Tool, reasoning_text

__all__ = ["CodexThreads"]

_PAGE: Final = 100
_PAGE_TURNS: Final = 20
_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500
_SOURCES: Final = ("cli", "vscode", "exec", "appServer")
"""Threads that a person or a host began; those of subagents belong to theirs."""


class CodexThreads(InquiryConnection):
    """A process of Codex that is asked for its threads and runs none. A `KeptConversations`."""

    async def open(self, start_deadline_seconds: float) -> None:
        async with self._reporting_start_failures():
            await initialize(self._peer, deadline_seconds=start_deadline_seconds)

    async def list(self, directory: Path | None = None) -> tuple[ListedConversation, ...]:
        """As `KeptConversations.list`."""
        params: JsonObject = {"limit": _PAGE, "modelProviders": [], "sourceKinds": list(_SOURCES)}
        if directory is not None:
            params["cwd"] = str(directory)
        return tuple([listed async for thread in self._pages("thread/list", params) if (listed := _listed(thread))])

    async def read(self, conversation: ListedConversation) -> ConversationHistory:
        """As `KeptConversations.read`."""
        thread_id = conversation.session_id
        params = {"threadId": thread_id, "limit": _PAGE_TURNS, "sortDirection": "asc", "itemsView": "full"}
        items: list[PastItem] = []
        faults: list[str] = []
        async for turn in self._pages("thread/turns/list", params):
            if turn.get("status") == "inProgress":
                faults.append("a turn runs: it is left out")
                break
            items += _past_items(turn, faults)
        cursor: JsonObject = {"threadId": thread_id}
        return ConversationHistory(conversation=conversation, items=tuple(items), cursor=cursor, faults=tuple(faults))

    async def _pages(self, method: str, params: JsonObject) -> AsyncIterator[JsonObject]:
        cursor: JsonObject = {}
        while True:
            reply = await self._peer.request(method, {**params, **cursor}, deadline_seconds=self._deadline_seconds)
            page = object_of(reply)
            for one in map(object_of, list_of(page.get("data"))):
                yield one
            if not text_of(page.get("nextCursor")):
                return
            cursor = {"cursor": page["nextCursor"]}


def _listed(thread: JsonObject) -> ListedConversation | None:
    thread_id, directory = text_of(thread.get("id")), text_of(thread.get("cwd"))
    if identifier_fault(thread_id) is not None or not Path(directory).is_absolute():
        return None
    return ListedConversation(
        session_id=ProviderThreadId(thread_id),
        directory=directory,
        title=text_of(thread.get("name")) or text_of(thread.get("preview")),
        created_at=instant_of(thread.get("createdAt")),
        updated_at=instant_of(thread.get("updatedAt")),
    )


def _past_items(turn: JsonObject, faults: list[str]) -> Iterator[PastItem]:
    started, ended = instant_of(turn.get("startedAt")), instant_of(turn.get("completedAt"))
    for item in map(object_of, list_of(turn.get("items"))):
        kind = text_of(item.get("type"))
        at = started if kind == "userMessage" else ended or started
        match kind:
            case "userMessage":
                said = "\n\n".join(_said(map(object_of, list_of(item.get("content")))))
                if said:
                    yield PastMessage(role="user", text=said, at=at)
            case "agentMessage":
                if text_of(item.get("text")):
                    yield PastMessage(role="assistant", text=text_of(item["text"]), at=at)
            case "reasoning":
                if thought := reasoning_text(item)[:_MAX_THOUGHT].strip():
                    yield PastActivity(event=ReasoningCompleted(text=thought), at=at)
            case "plan":
                plan = text_of(item.get("text"))
                yield PastActivity(event=PlanUpdated(summary=plan[:_MAX_SUMMARY], detail={"text": plan}), at=at)
            case _ if kind in TOOL_TYPES:
                key = ProviderItemId(bounded_id(text_of(item.get("id"))) or kind)
                yield PastActivity(event=Tool.new(key, item).completed_event(item), at=at)
            case _ if kind not in SILENT_TYPES:
                faults.append(f"an item of the unknown type {kind[:100]!r} is left out")


def _said(content: Iterable[JsonObject]) -> Iterator[str]:
    for part in content:
        kind = text_of(part.get("type"))
        if kind == "text" and text_of(part.get("text")).strip():
            yield text_of(part["text"])
        elif kind in ("image", "localImage"):
            yield "[image]"
