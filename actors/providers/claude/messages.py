"""Single messages of Claude Code: those without events, those that begin a turn, and the notices of others. Pure."""

from __future__ import annotations

from typing import Final

from ....contracts.provider_events import RuntimeErrorReported, SessionNotice
from ....contracts.values import JsonObject
from ..loose_json import object_of, text_of
from ..redaction import plain
from .session import ClaudeSession

__all__ = [
    "SILENT",
    "SILENT_SYSTEM",
    "begins_turn",
    "kind_of",
    "move_notice",
    "reset_notice",
    "system_report",
]

SILENT: Final = frozenset(
    {
        *("stream_event", "keep_alive", "tool_progress", "tool_use_summary", "auth_status", "prompt_suggestion"),
        *("transcript_mirror", "rate_limit_event", "command_lifecycle"),
    }
)
SILENT_SYSTEM: Final = frozenset(
    {
        *("status", "hook_started", "hook_response", "hook_progress", "task_started", "task_progress", "task_updated"),
        *("task_notification", "files_persisted", "mirror_error", "session_state_changed", "turn_duration"),
        *("post_turn_summary", "local_command_output", "background_tasks_changed"),
    }
)


def kind_of(message: JsonObject) -> str:
    """The kind of a message, as messages without events are counted by it."""
    kind = text_of(message.get("type"))
    inner = message.get("subtype") if kind == "system" else object_of(message.get("event")).get("type")
    of_subagent = " of a sub-agent" if message.get("parent_tool_use_id") is not None else ""
    return "/".join(part for part in (kind, text_of(inner)) if part) + of_subagent


def begins_turn(message: JsonObject) -> bool:
    """Whether a message between turns begins a turn of the agent's own: it shows that a model is being queried."""
    match message.get("type"):
        case "system":
            return message.get("subtype") == "init"
        case "stream_event":
            is_start = object_of(message.get("event")).get("type") == "message_start"
            return is_start and message.get("parent_tool_use_id") is None
        case _:
            return False


def system_report(message: JsonObject) -> RuntimeErrorReported | SessionNotice:
    """The report of an `api_retry` or a `compact_boundary`."""
    return _retry_report(message) if message.get("subtype") == "api_retry" else _compaction_notice(message)


def _retry_report(message: JsonObject) -> RuntimeErrorReported:
    """The report of an `api_retry`: the model did not answer, and the request is repeated."""
    fields = ("attempt", "max_retries", "retry_delay_ms", "error_status", "error")
    detail = {key: message.get(key) for key in fields}
    reason = plain(text_of(message.get("error"))) or "unknown"
    return RuntimeErrorReported(
        message=f"the model did not answer ({reason}): retry {message.get('attempt')} of {message.get('max_retries')}",
        detail=detail,
    )


def _compaction_notice(message: JsonObject) -> SessionNotice:
    return SessionNotice(
        kind="session.notice",
        summary="The agent compacted its conversation",
        detail=object_of(message.get("compact_metadata")),
    )


def move_notice(left: ClaudeSession, followed: ClaudeSession) -> SessionNotice:
    """The notice that the agent wrote a turn to another session than the one it was started with."""
    return SessionNotice(
        kind="session.notice",
        summary="The agent continues in another session; its memory of this conversation may be lost",
        detail={"from": left.session_id, "to": followed.session_id},
    )


def reset_notice(message: JsonObject) -> SessionNotice:
    """The notice that the conversation was replaced by an empty one, as `/clear` does.

    Where it goes on is in the result of its next turn, which names a session that was written.
    """
    return SessionNotice(
        kind="session.notice",
        summary="The agent cleared its conversation; it does not remember what came before",
        detail={"contextLost": True, "from": text_of(message.get("session_id"))},
    )
