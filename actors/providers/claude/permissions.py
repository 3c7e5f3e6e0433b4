"""Decisions and options as values of the Claude Agent SDK. Importing this module needs the extra `claude`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

import anyio
from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, PermissionUpdate
from claude_agent_sdk.types import PermissionRuleValue

from ....contracts.ids import ApprovalOptionId
from ....contracts.provider_events import ApprovalOption
from ....contracts.values import ApprovalDecision, ApprovalOptionKind, JsonObject
from ..forms import FormField
from .questions import input_of_answers

__all__ = [
    "NOBODY_TO_ASK",
    "NOT_SHOWN",
    "TOO_MANY_OPEN",
    "PendingDecision",
    "has_room",
    "offered_options",
    "permission_result",
]

NOBODY_TO_ASK: Final = "No turn is running that this could belong to."
TOO_MANY_OPEN: Final = "Too many requests for permission are open, or their inputs are too large. Wait for answers."

NOT_SHOWN: Final = "These questions are too many or too long to be shown. Ask fewer, or go on without."

_DECLINED: Final = "The user declined this. Do not try it in another way; go on without it."

_MAX_OPEN_DECISIONS: Final = 64
_MAX_OPEN_DECISION_BYTES: Final = 8 * 1024 * 1024
_MAX_SUGGESTIONS: Final = 16
_MAX_NAME: Final = 500
_DECISIONS: Final[tuple[tuple[ApprovalDecision, str, ApprovalOptionKind], ...]] = (
    ("accept", "Yes", "allow_once"),
    ("acceptForSession", "Yes, and do not ask again in this session", "allow_always"),
    ("decline", "No, and go on without it", "reject_once"),
    ("cancel", "No, and end the turn", "other"),
)


class PendingDecision:
    """A user's decision, awaited by one task. `size` is the size of the tool's input, which is held meanwhile.

    `fields` are those of its form where the tool asks questions.
    """

    def __init__(self, size: int, given: JsonObject, fields: Mapping[str, FormField] | None) -> None:
        self.size = size
        self._given = given
        self._fields = fields
        self._input: JsonObject | None = None
        self._made = anyio.Event()
        self._value: ApprovalDecision = "cancel"
        self._option: ApprovalOptionId | None = None

    def take_answers(self, value: ApprovalDecision, answers: JsonObject | None) -> None:
        """Make the tool's input of the answers that come with a decision.

        Raises:
            AnswerRefused: they do not fit.
        """
        accepted = value in ("accept", "acceptForSession")
        self._input = input_of_answers(self._given, self._fields, answers) if accepted else None

    def make(self, value: ApprovalDecision, option: ApprovalOptionId | None) -> None:
        self._value, self._option = value, option
        self._made.set()

    async def result(
        self, tool_name: str, suggestions: list[PermissionUpdate]
    ) -> PermissionResultAllow | PermissionResultDeny:
        """Wait for the decision, and give it as a value of the SDK. Nobody answers questions for a whole session."""
        await self._made.wait()
        value: ApprovalDecision = self._value
        if self._fields is not None and value == "acceptForSession":
            value = "accept"
        result = permission_result(value, tool_name, suggestions, self._option)
        return replace(result, updated_input=self._input) if isinstance(result, PermissionResultAllow) else result


def has_room(held: Collection[PendingDecision], size: int) -> bool:
    """Whether one more request with an input of `size` bytes may be open. The first one always may."""
    return not held or (
        len(held) < _MAX_OPEN_DECISIONS and size + sum(one.size for one in held) <= _MAX_OPEN_DECISION_BYTES
    )


def offered_options(suggestions: list[PermissionUpdate]) -> tuple[ApprovalOption, ...]:
    """The options of a request: the decisions, and each change that the agent suggests, taken only if it is named."""
    named = tuple(ApprovalOption(id=ApprovalOptionId(id_), name=name, kind=kind) for id_, name, kind in _DECISIONS)
    changes = tuple(
        ApprovalOption(id=_suggestion_id(number), name=_describe(one), kind=_kind(one))
        for number, one in enumerate(suggestions[:_MAX_SUGGESTIONS], start=1)
    )
    return (*named, *changes)


def permission_result(
    decision: ApprovalDecision,
    tool_name: str,
    suggestions: list[PermissionUpdate],
    option: ApprovalOptionId | None = None,
) -> PermissionResultAllow | PermissionResultDeny:
    """The decision as a value of the SDK. `suggestions` are the changes that came with the request."""
    if option is not None:
        for number, suggestion in enumerate(suggestions[:_MAX_SUGGESTIONS], start=1):
            if option == _suggestion_id(number):
                return PermissionResultAllow(updated_permissions=[suggestion])
        decision = next(one for one, _, _ in _DECISIONS if one == option)
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
    """The rules for `acceptForSession`: those that the agent suggests to allow, else one for the whole tool.

    They apply to this session and leave the mode as it is. Only suggestions that were shown as options are used.
    """
    allowed = [one for one in suggestions[:_MAX_SUGGESTIONS] if _is_allow_rule(one)]
    if not any(one.type == "addRules" for one in allowed):
        rules = [PermissionRuleValue(tool_name=tool_name)]
        allowed.append(PermissionUpdate(type="addRules", rules=rules, behavior="allow"))
    return [replace(one, destination="session") for one in allowed]


def _is_allow_rule(one: PermissionUpdate) -> bool:
    """Whether a suggestion only adds rules that allow, and changes neither the mode nor an existing rule."""
    return one.type == "addDirectories" or (one.type == "addRules" and one.behavior == "allow")


def _suggestion_id(number: int) -> ApprovalOptionId:
    return ApprovalOptionId(f"suggestion-{number}")


def _kind(one: PermissionUpdate) -> ApprovalOptionKind:
    return "allow_always" if _is_allow_rule(one) else "other"


def _describe(one: PermissionUpdate) -> str:
    kept = one.destination or "session"
    rules = ", ".join(
        rule.tool_name + (f"({rule.rule_content})" if rule.rule_content else "") for rule in one.rules or ()
    )
    what = rules or one.mode or ", ".join(one.directories or ())
    return f"Yes, and {one.type} {one.behavior or ''} {what} ({kept})".replace("  ", " ")[:_MAX_NAME]
