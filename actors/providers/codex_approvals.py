"""What Codex asks its client, as plain values: the requests it waits on, and the answer each decision makes.

Codex counts its requests' ids from 0 in every process, and more than one thing can ask for one item. So requests get
keys of their own, counted by the conversation: unique in one process, as the runtime expects.
"""

from __future__ import annotations

from typing import Final

import attrs

from ...runtime.contracts.ids import ApprovalRequestId
from ...runtime.contracts.provider_events import ApprovalKind
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_tools import object_of, text_of
from .jsonrpc_protocol import RequestId

__all__ = ["KINDS", "OpenRequest", "summary_of", "unanswerable"]

KINDS: Final[dict[str, ApprovalKind]] = {
    "item/commandExecution/requestApproval": "command",
    "item/fileChange/requestApproval": "fileChange",
    "item/permissions/requestApproval": "permission",
}

_MAX_SUMMARY: Final = 500

# Questions with a form to fill in, which nobody here could: their empty answers let the turn go on.
_UNANSWERABLE: Final[dict[str, JsonObject]] = {
    "item/tool/requestUserInput": {"answers": {}},
    "mcpServer/elicitation/request": {"action": "decline", "content": None},
}


@attrs.frozen(kw_only=True)
class OpenRequest:
    """A request that waits for a decision."""

    key: ApprovalRequestId
    id: RequestId
    kind: ApprovalKind
    permissions: JsonObject
    """What a permission request asks for; a grant repeats it."""

    def answer(self, decision: ApprovalDecision) -> JsonObject:
        """The result to send. A permission has no `cancel`: it is denied, and the turn is to be interrupted."""
        if self.kind != "permission":
            return {"decision": decision}
        granted = self.permissions if decision in ("accept", "acceptForSession") else {}
        return {"permissions": granted, "scope": "session" if decision == "acceptForSession" else "turn"}


def summary_of(params: JsonObject, title: str) -> str:
    """What is asked in a line: the command or the files, and the agent's reason."""
    what = (
        text_of(params.get("command")) or title or text_of(object_of(params.get("networkApprovalContext")).get("host"))
    )
    reason = text_of(params.get("reason"))
    return ": ".join(part for part in (what, reason) if part)[:_MAX_SUMMARY] or "a permission"


def unanswerable(method: str) -> JsonObject | None:
    """The answer to a request that no decision can answer, or None for a method that is not known."""
    return _UNANSWERABLE.get(method)
