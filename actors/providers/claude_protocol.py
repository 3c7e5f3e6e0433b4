"""What Claude Code says on its way to the Claude Agent SDK, as plain values: its messages become provider events.

A `Conversation` holds what one session of one agent process needs: the turn that runs, the text blocks that are being
streamed, the turn's tool calls, the open permission requests. It does no I/O. It takes the messages as JSON, before
the SDK gives them classes, so that it is tested without the SDK and goes on when a field is missing or new.

Only what belongs to a running turn is told. The agent may take up turns by itself (a background task that ended):
what it says in them is dropped, what it asks is refused, and their results end no turn of ours. What a subagent says
is part of the tool call that started it; the tools it calls are told, with their parent.

Text streams as `stream_event`s and comes again whole in an `assistant` message, which counts only where its text was
not streamed: the agent answers without streaming after a broken connection.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...runtime.contracts.errors import ProviderProtocolError
from ...runtime.contracts.ids import ApprovalRequestId, ProviderItemId
from ...runtime.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    TurnCompleted,
    TurnOutcome,
)
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_tools import list_of, object_of, text_of
from .claude_tools import PLANNING_TOOL, ToolUse, approval_kind, result_text, tool_title

__all__ = ["Conversation", "Step", "refusal"]

_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500

_FAILURES: Final = {
    "error_during_execution": "the agent failed while it worked",
    "error_max_turns": "the agent reached its limit of model requests in a turn",
    "error_max_budget_usd": "the agent reached its limit of cost",
}


@attrs.frozen(kw_only=True)
class Step:
    """What follows from an input: events for the runtime, and whether the agent is to be interrupted now."""

    events: tuple[ProviderRuntimeEvent, ...] = ()
    interrupt: bool = False


class Conversation:
    def __init__(self) -> None:
        self._prompt: str | None = None
        self._taken_up = False
        self._interrupting = False
        self._cancelling = False
        self._message_id = ""
        self._streamed: set[str] = set()
        self._blocks: dict[int, ProviderItemId] = {}
        self._tools: dict[str, ToolUse] = {}
        self._ended_tools: set[str] = set()
        self._permissions: set[ApprovalRequestId] = set()
        self._permission_count = 0

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self._prompt is not None

    def begin_turn(self, prompt_uuid: str) -> None:
        """A turn is about to be handed over, as a user message with this uuid.

        Raises:
            ProviderProtocolError: a turn runs, and the agent would merge the two.
        """
        if self.running:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        self._prompt = prompt_uuid
        self._taken_up = self._interrupting = self._cancelling = False
        self._streamed.clear()
        self._blocks.clear()
        self._tools.clear()
        self._ended_tools.clear()

    def received(self, message: JsonObject) -> Step:
        """Take a message that is no control message. One of a kind that is not known is ignored."""
        if not self.running:
            return Step()
        parent = message.get("parent_tool_use_id")
        match message.get("type"):
            case "stream_event" if parent is None:
                return Step(events=self._streamed_on(object_of(message.get("event"))))
            case "assistant":
                return Step(events=self._said(message, parent))
            case "user":
                return Step(events=self._results(object_of(message.get("message"))))
            case "system":
                return self._informed(message)
            case "result" if self._is_ours(message):
                return Step(events=self._ended(message))
        return Step()

    def permission_asked(
        self, tool_name: str, given: JsonObject, *, tool_use_id: str | None, reason: str | None = None
    ) -> tuple[ApprovalRequestId | None, Step]:
        """The agent wants to use a tool. None for the request where nobody is to be asked: it is to be refused."""
        if not self.running or self._interrupting:
            return None, Step()
        self._permission_count += 1
        request = ApprovalRequestId(f"permission-{self._permission_count}")
        self._permissions.add(request)
        events = () if tool_use_id is None else self._start_tool(tool_use_id, tool_name, given, None)
        detail: JsonObject = {"toolName": tool_name, "input": given}
        if reason is not None:
            detail["reason"] = reason
        asked = ApprovalRequested(
            request=request,
            kind=approval_kind(tool_name),
            summary=tool_title(tool_name, given),
            item=None if tool_use_id is None else ProviderItemId(tool_use_id),
            detail=detail,
        )
        return request, Step(events=(*self._end_blocks(), *events, asked))

    def decided(self, request: ApprovalRequestId, decision: ApprovalDecision) -> Step:
        """Raises: ProviderProtocolError: the request is not open."""
        if request not in self._permissions:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        self._permissions.remove(request)
        self._cancelling = self._cancelling or decision == "cancel"
        return Step(events=(ApprovalResolved(request=request, decision=decision),))

    def withdrawn(self, request: ApprovalRequestId) -> Step:
        """The agent does not wait for an answer any more."""
        if request not in self._permissions:
            return Step()
        self._permissions.remove(request)
        return Step(events=(ApprovalResolved(request=request, decision="cancel"),))

    def interrupted(self) -> Step:
        """The runtime asked for the turn's end. Before the agent took the turn up, an interrupt would be lost on it.

        What is open is cancelled, what is asked from now on is refused.
        """
        if not self.running:
            return Step()
        self._interrupting = True
        return Step(events=self._drop_permissions(), interrupt=self._taken_up)

    def cut_off(self) -> None:
        """The turn was not handed over, or its agent is gone. What is open is left to the runtime."""
        self._prompt = None

    def _streamed_on(self, event: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        index = event.get("index")
        match event.get("type"):
            case "message_start":
                self._message_id = text_of(object_of(event.get("message")).get("id"))
                self._streamed.add(self._message_id)
                return self._end_blocks()
            case "content_block_delta" if isinstance(index, int):
                text = text_of(object_of(event.get("delta")).get("text"))
                if not text:
                    return ()
                item = self._blocks.setdefault(index, ProviderItemId(f"{self._message_id}/{index}"))
                return (MessageDelta(item=item, text=text),)
            case "content_block_stop" if index in self._blocks:
                return (MessageCompleted(item=self._blocks.pop(index)),)
        return ()

    def _said(self, message: JsonObject, parent: Any) -> tuple[ProviderRuntimeEvent, ...]:
        content = object_of(message.get("message"))
        told = parent is not None or content.get("id") in self._streamed or message.get("error") is not None
        events: tuple[ProviderRuntimeEvent, ...] = ()
        for position, block in enumerate(map(object_of, list_of(content.get("content")))):
            match block:
                case {"type": "text", "text": str(text)} if text and not told:
                    item = ProviderItemId(f"{text_of(message.get('uuid'))}/{position}")
                    events += (MessageDelta(item=item, text=text), MessageCompleted(item=item))
                case {"type": "thinking", "thinking": str(thought)} if thought.strip() and parent is None:
                    events += (ReasoningCompleted(text=thought[:_MAX_THOUGHT]),)
                case {"type": "tool_use", "name": name, "input": given} if name == PLANNING_TOOL and parent is None:
                    events += (_plan(object_of(given)),)
                case {"type": "tool_use" | "server_tool_use", "id": str(identity), "name": str(name)}:
                    events += self._start_tool(identity, name, object_of(block.get("input")), parent)
                case {"tool_use_id": str(identity)}:
                    events += self._end_tool(identity, block)
        return events

    def _results(self, content: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        events: tuple[ProviderRuntimeEvent, ...] = ()
        for block in map(object_of, list_of(content.get("content"))):
            if block.get("type") == "tool_result":
                events += self._end_tool(text_of(block.get("tool_use_id")), block)
        return events

    def _informed(self, message: JsonObject) -> Step:
        match message.get("subtype"):
            case "init":
                late, self._taken_up = self._interrupting and not self._taken_up, True
                return Step(interrupt=late)
            case "api_retry":
                return Step(events=(_retry(message),))
        return Step()

    def _is_ours(self, result: JsonObject) -> bool:
        """Whether a result ends our turn: it names the prompts it answers, or else where its turn came from."""
        prompts = list_of(result.get("user_message_uuids"))
        return self._prompt in prompts if prompts else result.get("origin") is None

    def _ended(self, result: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        outcome, error = self._outcome(result)
        self._prompt = None
        unfinished = [tool.unfinished(outcome) for tool in self._tools.values()]
        self._tools.clear()
        end = TurnCompleted(outcome=outcome, error=error)
        return (*self._end_blocks(), *unfinished, *self._drop_permissions(), end)

    def _outcome(self, result: JsonObject) -> tuple[TurnOutcome, str | None]:
        if result.get("subtype") == "success" and result.get("is_error") is not True:
            return "completed", None
        if self._interrupting:
            return "interrupted", None
        if self._cancelling or text_of(result.get("terminal_reason")).startswith("aborted"):
            return "cancelled", None
        return "failed", refusal(result)

    def _start_tool(self, identity: str, name: str, given: JsonObject, parent: Any) -> tuple[ProviderRuntimeEvent, ...]:
        if identity in self._tools or identity in self._ended_tools or name == PLANNING_TOOL:
            return ()
        tool = self._tools[identity] = ToolUse(identity, name, given, parent=text_of(parent) or None)
        return (*self._end_blocks(), tool.started())

    def _end_tool(self, identity: str, block: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        tool = self._tools.pop(identity, None)
        if tool is None:
            return ()
        self._ended_tools.add(identity)
        return (tool.completed(result_text(block.get("content")), failed=block.get("is_error") is True),)

    def _end_blocks(self) -> tuple[ProviderRuntimeEvent, ...]:
        items = tuple(self._blocks.values())
        self._blocks.clear()
        return tuple(MessageCompleted(item=item) for item in items)

    def _drop_permissions(self) -> tuple[ProviderRuntimeEvent, ...]:
        requests = sorted(self._permissions)
        self._permissions.clear()
        return tuple(ApprovalResolved(request=request, decision="cancel") for request in requests)


def refusal(result: JsonObject) -> str:
    """Why a `result` message says that things went wrong."""
    errors = "; ".join(error for error in list_of(result.get("errors")) if isinstance(error, str) and error.strip())
    subtype = text_of(result.get("subtype"))
    return errors or text_of(result.get("result")) or _FAILURES.get(subtype, f"the agent failed ({subtype})")


def _plan(given: JsonObject) -> PlanUpdated:
    entries = [object_of(entry) for entry in list_of(given.get("todos"))]
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})


def _retry(message: JsonObject) -> RuntimeErrorReported:
    fields = ("attempt", "max_retries", "retry_delay_ms", "error_status", "error")
    detail = {key: message.get(key) for key in fields}
    reason = text_of(message.get("error")) or "unknown"
    return RuntimeErrorReported(
        message=f"the model did not answer ({reason}): try {message.get('attempt')} of {message.get('max_retries')}",
        detail=detail,
    )
