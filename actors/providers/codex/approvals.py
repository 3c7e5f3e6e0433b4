"""What Codex asks its client, as plain values: the requests it waits on, and the answer each decision makes.

Codex counts its requests' ids from 0 in every process, and more than one thing can ask for one item. So requests get
keys of their own, counted by the conversation: unique in one process, as the runtime expects.

A decision reaches no further than its word: `acceptForSession` holds for this process. What Codex proposes to write
into its rules permanently is an option of its own, taken only when it is named.
"""

from __future__ import annotations

from typing import Final

import attrs

from ....contracts.errors import AnswerRefused
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId
from ....contracts.provider_events import ApprovalKind, ApprovalOption
from ....contracts.values import ApprovalDecision, ApprovalOptionKind, JsonObject
from ..jsonrpc.protocol import RequestId
from ..loose_json import list_of, object_of, text_of

__all__ = ["KINDS", "OpenRequest", "open_request", "summary_of", "unanswerable"]

KINDS: Final[dict[str, ApprovalKind]] = {
    "item/commandExecution/requestApproval": "command",
    "item/fileChange/requestApproval": "fileChange",
    "item/permissions/requestApproval": "permission",
}

_MAX_SUMMARY: Final = 500
_MAX_PROPOSALS: Final = 8

# Questions with a form to fill in, which nobody here could: their empty answers let the turn go on.
_UNANSWERABLE: Final[dict[str, JsonObject]] = {
    "item/tool/requestUserInput": {"answers": {}},
    "mcpServer/elicitation/request": {"action": "decline", "content": None},
}
_DECISIONS: Final[tuple[tuple[ApprovalDecision, str, ApprovalOptionKind], ...]] = (
    ("accept", "Yes", "allow_once"),
    ("acceptForSession", "Yes, and do not ask again in this session", "allow_always"),
    ("decline", "No, and go on without it", "reject_once"),
    ("cancel", "No, and end the turn", "other"),
)
_FITTING: Final[dict[ApprovalDecision, frozenset[ApprovalOptionKind]]] = {
    "accept": frozenset({"allow_once", "allow_always"}),
    "acceptForSession": frozenset({"allow_once", "allow_always"}),
    "decline": frozenset({"reject_once", "reject_always"}),
    "cancel": frozenset({"reject_once", "reject_always", "other"}),
}


@attrs.frozen(kw_only=True)
class OpenRequest:
    """A request that waits for a decision."""

    key: ApprovalRequestId
    id: RequestId
    kind: ApprovalKind
    permissions: JsonObject
    """What a permission request asks for; a grant repeats it."""
    proposals: dict[ApprovalOptionId, tuple[ApprovalOption, JsonObject]] = attrs.field(factory=dict)
    """What is offered beside the decisions, and the answer that takes it."""

    @property
    def options(self) -> tuple[ApprovalOption, ...]:
        named = tuple(ApprovalOption(id=ApprovalOptionId(id_), name=name, kind=kind) for id_, name, kind in _DECISIONS)
        return (*named, *(option for option, _ in self.proposals.values()))

    def answer(self, decision: ApprovalDecision, option: ApprovalOptionId | None = None) -> JsonObject:
        """The result to send. A permission has no `cancel`: it is denied, and the turn is to be interrupted.

        Raises:
            AnswerRefused: the option is none of this request's, or its kind contradicts the decision.
        """
        if option is not None:
            chosen = next((one for one in self.options if one.id == option), None)
            if chosen is None:
                raise AnswerRefused(f"the approval request {self.key!r} has no option {option!r}")
            if chosen.kind not in _FITTING[decision]:
                raise AnswerRefused(f"the option {option!r} ({chosen.kind}) contradicts the decision {decision}")
            if option in self.proposals:
                return self.proposals[option][1]
            decision = next(one for one, _, _ in _DECISIONS if one == option)
        if self.kind != "permission":
            return {"decision": decision}
        granted = self.permissions if decision in ("accept", "acceptForSession") else {}
        return {"permissions": granted, "scope": "session" if decision == "acceptForSession" else "turn"}


def open_request(key: ApprovalRequestId, request_id: RequestId, kind: ApprovalKind, params: JsonObject) -> OpenRequest:
    """A request, with what Codex proposes besides."""
    return OpenRequest(
        key=key,
        id=request_id,
        kind=kind,
        permissions=object_of(params.get("permissions")),
        proposals={option.id: (option, {"decision": value}) for option, value in _proposals(params)},
    )


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


def _proposals(params: JsonObject) -> list[tuple[ApprovalOption, JsonObject]]:
    """Rules that Codex would keep for good. Each is an option that nothing but its name takes."""
    found: list[tuple[ApprovalOption, JsonObject]] = []
    rule = [word for word in list_of(params.get("proposedExecpolicyAmendment")) if isinstance(word, str)]
    if rule:
        name = f"Yes, and never ask again for commands that begin with: {' '.join(rule)}"
        found.append(
            (
                _option("rule", name, "allow_always"),
                {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": rule}},
            )
        )
    amendments = list_of(params.get("proposedNetworkPolicyAmendments"))[:_MAX_PROPOSALS]
    for number, amendment in enumerate(map(object_of, amendments), start=1):
        host, action = text_of(amendment.get("host")), text_of(amendment.get("action"))
        if host and action in ("allow", "deny"):
            word = "Always allow" if action == "allow" else "Always deny"
            found.append(
                (
                    _option(
                        f"network-{number}",
                        f"{word} the host {host}",
                        "allow_always" if action == "allow" else "reject_always",
                    ),
                    {"applyNetworkPolicyAmendment": {"network_policy_amendment": amendment}},
                )
            )
    return found


def _option(identity: str, name: str, kind: ApprovalOptionKind) -> ApprovalOption:
    return ApprovalOption(id=ApprovalOptionId(identity), name=name[:_MAX_SUMMARY], kind=kind)
