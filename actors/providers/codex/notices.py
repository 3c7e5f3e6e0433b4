"""Codex's notifications about a session: those that become notices, and the list of all known methods.

Source: `codex app-server generate-json-schema`, `ServerNotification`
"""

from __future__ import annotations

from typing import Final

from ....contracts.provider_events import SessionNotice
from ....contracts.values import JsonObject
from ..loose_json import object_of, text_of
from ..redaction import plain
from ..session_notices import failed_server
from .session_info import INFO_NOTIFICATIONS

__all__ = ["KNOWN", "notice_of"]

_MAX_SUMMARY_BYTES: Final = 1024

_OF_TURNS: Final = (
    *("turn/started", "turn/completed", "turn/plan/updated", "error", "serverRequest/resolved", "item/started"),
    *(
        "item/completed",
        "thread/tokenUsage/updated",
        "item/agentMessage/delta",
        "item/commandExecution/outputDelta",
        "item/fileChange/outputDelta",
    ),
    *("item/fileChange/patchUpdated", "item/mcpToolCall/progress", "thread/status/changed"),
)
_SILENT: Final = (
    *("thread/started", "thread/readState/changed", "thread/archived", "thread/unarchived", "thread/closed"),
    *("thread/deleted", "thread/reverted", "skills/changed", "thread/attachment/updated"),
    *("thread/goal/updated", "thread/goal/cleared", "thread/prediction/updated", "thread/queue/changed"),
    *("project/changed", "thread/project/updated", "thread/environment/connected", "thread/environment/disconnected"),
    *("hook/started", "hook/completed", "turn/diff/updated"),
    *(
        "item/autoApprovalReview/started",
        "item/autoApprovalReview/completed",
        "autoApprovalReview/strictReviewRequired",
    ),
    *("item/plan/delta", "command/exec/outputDelta", "process/outputDelta", "process/exited"),
    *("item/commandExecution/terminalInteraction", "mcpServer/oauthLogin/completed"),
    *("mcpServer/event/stream/notification", "account/gatewayOAuth/changed"),
    *("account/rateLimits/updated", "app/list/updated", "remoteControl/status/changed", "fs/changed"),
    *("externalAgentConfig/import/progress", "externalAgentConfig/import/completed", "account/login/completed"),
    *("item/reasoning/summaryTextDelta", "item/reasoning/summaryPartAdded", "item/reasoning/textDelta"),
    *("model/verification", "modelProvider/authRecoveryStarted", "modelProvider/authRecoveryCompleted"),
    *("turn/moderationMetadata", "model/safetyBuffering/updated", "rawResponseItem/completed", "rawResponse/completed"),
    *("fuzzyFileSearch/sessionUpdated", "fuzzyFileSearch/sessionCompleted", "deprecationNotice"),
    *("windows/worldWritableWarning", "windowsSandbox/setupCompleted"),
)
_SHOWN: Final = ("thread/compacted", "model/rerouted", "mcpServer/startupStatus/updated")
KNOWN: Final = frozenset((*_OF_TURNS, *_SILENT, *INFO_NOTIFICATIONS, *_SHOWN))
"""The known methods; a notification with any other method is counted."""


def notice_of(method: str, message: JsonObject) -> SessionNotice | None:
    """The notice that a notification becomes; None for any other notification."""
    match method:
        case "thread/compacted":
            return _notice("The agent compacted its conversation", message)
        case "warning" | "guardianWarning":
            return _notice(text_of(message.get("message")), message)
        case "configWarning":
            return _notice(text_of(message.get("summary")), message)
        case "mcpServer/startupStatus/updated" if message.get("status") == "failed":
            return failed_server(text_of(message.get("name")), text_of(message.get("error")))
        case "model/rerouted":
            models = f"{text_of(message.get('fromModel'))} to {text_of(message.get('toModel'))}"
            return _notice(f"The agent changed its model from {models}", message)
        case "item/completed" if object_of(message.get("item")).get("type") == "contextCompaction":
            return _notice("The agent compacted its conversation", {})
        case _:
            return None


def _notice(summary: str, message: JsonObject) -> SessionNotice:
    fields = {key: value for key, value in message.items() if key not in ("threadId", "turnId") and value is not None}
    detail = {key: plain(value) if isinstance(value, str) else value for key, value in fields.items()}
    summary = plain(summary, max_bytes=_MAX_SUMMARY_BYTES) or "The agent has a notice"
    return SessionNotice(kind="session.notice", summary=summary, detail=detail)
