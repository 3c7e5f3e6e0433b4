"""What Claude Code says on its way to the Claude Agent SDK, as plain values: its messages become provider events.

A `Conversation` holds what one session of one agent process needs: the turn that runs, the text blocks that are being
streamed, the turn's tool calls, the open permission requests. It does no I/O. It takes the messages as JSON, before
the SDK gives them classes, so that it is tested without the SDK and goes on when a field is missing or new.

A turn that the agent takes up by itself, when a background task has ended, is its own: it begins with `init`, or with a
message of the model, while no turn runs. What is handed over meanwhile waits behind it or becomes part of it; both end
then, the agent's first. Anything else that comes between turns is told as it comes. What a subagent says is part of the
tool call that started it; the tools it calls are told, with their parent. Messages that are not known are counted.

Text streams as `stream_event`s and comes again whole in an `assistant` message, which counts only where its text was
not streamed: the agent answers without streaming after a broken connection.
The file is long because all of this is one state: what a message means depends on the turn that runs.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ApprovalRequestId, ProviderItemId
from ....contracts.provider_events import (
    ApprovalOption,
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionNotice,
    TurnCompleted,
    TurnOutcome,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, Instant, JsonObject
from ..ignored_frames import IgnoredFrames
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain
from ..tool_fields import MAX_OPEN_TOOLS
from .failures import claude_failure, lifted_at
from .plans import PLANNING_TOOLS, Plan
from .tools import ToolUse, approval_kind, result_text, tool_title

__all__ = ["Conversation", "Step"]

_MAX_THOUGHT: Final = 64 * 1024
_MAX_REMEMBERED: Final = 4096
_SILENT: Final = frozenset(
    {
        *("keep_alive", "tool_progress", "tool_use_summary", "auth_status", "prompt_suggestion"),
        *("conversation_reset", "transcript_mirror", "rate_limit_event", "command_lifecycle"),
    }
)
_SILENT_SYSTEM: Final = frozenset(
    {
        *("status", "hook_started", "hook_response", "hook_progress", "task_started", "task_progress", "task_updated"),
        *("task_notification", "files_persisted", "mirror_error", "session_state_changed", "turn_duration"),
        *("post_turn_summary", "local_command_output", "commands_changed", "background_tasks_changed"),
    }
)


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
        self._is_agents = False
        self._used_items: dict[str, int] = {}
        self._plan = Plan()
        self._error = ""
        self._lifted_at: Instant | None = None
        self._ignored = IgnoredFrames()

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended, one of the agent's own included."""
        return self._prompt is not None or self._is_agents

    def begin_turn(self, prompt_uuid: str) -> None:
        """A turn is about to be handed over, as a user message with this uuid. It waits behind one of the agent's own.

        Raises:
            ProviderProtocolError: a turn that was handed over runs, and the agent would merge the two.
        """
        if self._prompt is not None:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        self._prompt = prompt_uuid
        if not self._is_agents:
            self._forget_turn()

    def _forget_turn(self) -> None:
        self._taken_up = self._interrupting = self._cancelling = False
        self._error = ""
        self._streamed.clear()
        self._blocks.clear()
        self._tools.clear()
        self._ended_tools.clear()
        self._used_items.clear()

    def received(self, message: JsonObject) -> Step:
        """Take a message that is no control message. One of a kind that is not known is counted."""
        if self.running or not _begins_turn(message):
            return self._received(message)
        self._forget_turn()
        self._is_agents = True
        step = self._received(message)
        return attrs.evolve(step, events=(TurnStarted(origin="agent"), *step.events))

    def _received(self, message: JsonObject) -> Step:
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
            case "result":
                return Step(events=self._result(message))
            case "rate_limit_event":
                self._lifted_at = lifted_at(message)
            case "stream_event" | None:
                pass
            case kind if kind not in _SILENT:
                return Step(events=self._ignore(text_of(kind)))
        return Step()

    def permission_asked(
        self,
        tool_name: str,
        given: JsonObject,
        *,
        tool_use_id: str | None,
        reason: str | None = None,
        options: tuple[ApprovalOption, ...] = (),
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
            options=options,
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

    @property
    def is_agents(self) -> bool:
        """Whether the turn that runs is one of the agent's own."""
        return self._is_agents

    def _streamed_on(self, event: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        index = event.get("index")
        match event.get("type"):
            case "message_start":
                self._message_id = text_of(object_of(event.get("message")).get("id"))
                if len(self._streamed) >= _MAX_REMEMBERED:
                    self._streamed.clear()
                self._streamed.add(self._message_id)
                return self._end_blocks()
            case "content_block_delta" if isinstance(index, int):
                text = text_of(object_of(event.get("delta")).get("text"))
                if not text:
                    return ()
                if index not in self._blocks:
                    self._blocks[index] = self._item(f"{self._message_id}/{index}")
                return (MessageDelta(item=self._blocks[index], text=text),)
            case "content_block_stop" if index in self._blocks:
                return (MessageCompleted(item=self._blocks.pop(index)),)
        return ()

    def _said(self, message: JsonObject, parent: Any) -> tuple[ProviderRuntimeEvent, ...]:
        content = object_of(message.get("message"))
        if parent is None:
            self._error = text_of(message.get("error")) or self._error
        told = parent is not None or content.get("id") in self._streamed or message.get("error") is not None
        events: tuple[ProviderRuntimeEvent, ...] = ()
        for position, block in enumerate(map(object_of, list_of(content.get("content")))):
            match block:
                case {"type": "text", "text": str(text)} if text and not told:
                    item = ProviderItemId(f"{text_of(message.get('uuid'))}/{position}")
                    events += (MessageDelta(item=item, text=text), MessageCompleted(item=item))
                case {"type": "thinking", "thinking": str(thought)} if thought.strip() and parent is None:
                    events += (ReasoningCompleted(text=thought[:_MAX_THOUGHT]),)
                case {"type": "tool_use", "name": str(name)} if name in PLANNING_TOOLS:
                    if parent is None:
                        events += self._plan.used(text_of(block.get("id")), name, object_of(block.get("input")))
                case {"type": "tool_use" | "server_tool_use", "id": str(identity), "name": str(name)}:
                    events += self._start_tool(identity, name, object_of(block.get("input")), parent)
                case {"tool_use_id": str(identity)}:
                    events += self._end_tool(identity, block)
        return events

    def _results(self, content: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        events: tuple[ProviderRuntimeEvent, ...] = ()
        for block in map(object_of, list_of(content.get("content"))):
            if block.get("type") == "tool_result":
                self._plan.answered(text_of(block.get("tool_use_id")), result_text(block.get("content")))
                events += self._end_tool(text_of(block.get("tool_use_id")), block)
        return events

    def _informed(self, message: JsonObject) -> Step:
        match message.get("subtype"):
            case "init":
                late, self._taken_up = self._interrupting and not self._taken_up, True
                return Step(interrupt=late)
            case "api_retry":
                return Step(events=(_retry(message),))
            case "compact_boundary":
                detail = object_of(message.get("compact_metadata"))
                said = "The agent compacted its conversation"
                return Step(events=(SessionNotice(kind="session.notice", summary=said, detail=detail),))
            case None:
                return Step()
            case kind if kind not in _SILENT_SYSTEM:
                return Step(events=self._ignore(f"system/{text_of(kind)}"))
        return Step()

    def _result(self, result: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        """The end of our turn, of the agent's own, or of both in one."""
        is_ours = self._prompt is not None and self._is_ours(result)
        if not self._is_agents:
            return self._ended(result) if is_ours else ()
        self._is_agents = False
        ended = self._ended(result, keep_prompt=not is_ours)
        if is_ours:
            return (*ended, TurnStarted(), ended[-1])
        self._forget_turn()
        return ended

    def _is_ours(self, result: JsonObject) -> bool:
        """Whether a result ends our turn: it names the prompts it answers, or else where its turn came from."""
        prompts = list_of(result.get("user_message_uuids"))
        if prompts or self._is_agents:
            return self._prompt in prompts
        return result.get("origin") is None

    def _ended(self, result: JsonObject, *, keep_prompt: bool = False) -> tuple[ProviderRuntimeEvent, ...]:
        outcome = self._outcome(result)
        if not keep_prompt:
            self._prompt = None
        unfinished = [tool.unfinished(outcome) for tool in self._tools.values()]
        self._tools.clear()
        end = TurnCompleted(outcome=outcome)
        if outcome == "failed":
            failure = claude_failure(result, error=self._error, limit_lifted_at=self._lifted_at)
            end = TurnCompleted(outcome=outcome, error=failure.text, reason=failure.reason, retry_at=failure.retry_at)
        return (*self._end_blocks(), *unfinished, *self._drop_permissions(), end)

    def _outcome(self, result: JsonObject) -> TurnOutcome:
        if result.get("subtype") == "success" and result.get("is_error") is not True:
            return "completed"
        if self._interrupting:
            return "interrupted"
        if self._cancelling or text_of(result.get("terminal_reason")).startswith("aborted"):
            return "cancelled"
        return "failed"

    def _start_tool(self, identity: str, name: str, given: JsonObject, parent: Any) -> tuple[ProviderRuntimeEvent, ...]:
        if identity in self._tools or identity in self._ended_tools or name in PLANNING_TOOLS:
            return ()
        if len(self._tools) >= MAX_OPEN_TOOLS:
            del self._tools[next(iter(self._tools))]
        tool = self._tools[identity] = ToolUse(identity, name, given, parent=text_of(parent) or None)
        return (*self._end_blocks(), tool.started())

    def _end_tool(self, identity: str, block: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        tool = self._tools.pop(identity, None)
        if tool is None:
            return ()
        if len(self._ended_tools) >= _MAX_REMEMBERED:
            self._ended_tools.clear()
        self._ended_tools.add(identity)
        return (tool.completed(result_text(block.get("content")), failed=block.get("is_error") is True),)

    def _item(self, key: str) -> ProviderItemId:
        """A block's key. What goes on after the runtime was told of its end is another message."""
        self._used_items[key] = times = self._used_items.get(key, 0) + 1
        return ProviderItemId(key if times == 1 else f"{key}.{times}")

    def _end_blocks(self) -> tuple[ProviderRuntimeEvent, ...]:
        items = tuple(self._blocks.values())
        self._blocks.clear()
        return tuple(MessageCompleted(item=item) for item in items)

    def _drop_permissions(self) -> tuple[ProviderRuntimeEvent, ...]:
        requests = sorted(self._permissions)
        self._permissions.clear()
        return tuple(ApprovalResolved(request=request, decision="cancel") for request in requests)

    def _ignore(self, kind: str) -> tuple[ProviderRuntimeEvent, ...]:
        self._ignored, notices = self._ignored.add(kind)
        return notices


def _begins_turn(message: JsonObject) -> bool:
    """Whether a message that comes while no turn runs begins one of the agent's own: a model has been asked."""
    match message.get("type"):
        case "system":
            return message.get("subtype") == "init"
        case "stream_event":
            is_start = object_of(message.get("event")).get("type") == "message_start"
            return is_start and message.get("parent_tool_use_id") is None
        case _:
            return False


def _retry(message: JsonObject) -> RuntimeErrorReported:
    fields = ("attempt", "max_retries", "retry_delay_ms", "error_status", "error")
    detail = {key: message.get(key) for key in fields}
    reason = plain(text_of(message.get("error"))) or "unknown"
    return RuntimeErrorReported(
        message=f"the model did not answer ({reason}): try {message.get('attempt')} of {message.get('max_retries')}",
        detail=detail,
    )
