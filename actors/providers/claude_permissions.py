"""A user's decision in the words of the Claude Agent SDK. Importing this module needs the extra `claude`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import anyio
from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, PermissionUpdate
from claude_agent_sdk.types import PermissionRuleValue

from ...runtime.contracts.values import ApprovalDecision

__all__ = ["NOBODY_TO_ASK", "PendingDecision", "permission_result"]

NOBODY_TO_ASK: Final = "No turn is running that this could belong to."

_DECLINED: Final = "The user declined this. Do not try it in another way; go on without it."


class PendingDecision:
    """A user's decision, awaited by the one task that asks."""

    def __init__(self) -> None:
        self._made = anyio.Event()
        self._value: ApprovalDecision = "cancel"

    def make(self, value: ApprovalDecision) -> None:
        self._value = value
        self._made.set()

    async def made(self) -> ApprovalDecision:
        await self._made.wait()
        return self._value


def permission_result(
    decision: ApprovalDecision, tool_name: str, suggestions: list[PermissionUpdate]
) -> PermissionResultAllow | PermissionResultDeny:
    """The decision in the SDK's words. `suggestions` is what the agent would have allowed from now on."""
    match decision:
        case "accept":
            return PermissionResultAllow()
        case "acceptForSession":
            return PermissionResultAllow(updated_permissions=_for_session(tool_name, suggestions))
        case "decline":
            return PermissionResultDeny(message=_DECLINED)
        case "cancel":
            return PermissionResultDeny(message=_DECLINED, interrupt=True)


def _for_session(tool_name: str, suggestions: list[PermissionUpdate]) -> list[PermissionUpdate]:
    """What the agent suggests to allow from now on, else the whole tool; never beyond this session."""
    if not suggestions:
        rules = [PermissionRuleValue(tool_name=tool_name)]
        return [PermissionUpdate(type="addRules", rules=rules, behavior="allow", destination="session")]
    return [replace(suggestion, destination="session") for suggestion in suggestions]
