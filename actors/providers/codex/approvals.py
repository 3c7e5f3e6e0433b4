"""Codex's requests for approval, and the answer of each decision. Pure.

Codex counts its request ids from 0 in every process, and one item can have several requests. So requests get keys that
the conversation counts: unique in one process, as the runtime expects.

`acceptForSession` holds for this process only. A rule that Codex proposes to keep permanently is an option of its own,
taken only when it is named.
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
from .questions import OpenForm

__all__ = ["KINDS", "OpenRequest", "open_request", "request_detail", "summary_of"]

KINDS: Final[dict[str, ApprovalKind]] = {
    "item/commandExecution/requestApproval": "command",
    "item/fileChange/requestApproval": "fileChange",
    "item/permissions/requestApproval": "permission",
}

_MAX_SUMMARY: Final = 500
_MAX_PROPOSALS: Final = 8

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
    """A request that waits for a decision. `form`: it asks questions, and has no options."""

    key: ApprovalRequestId
    id: RequestId
    kind: ApprovalKind
    permissions: JsonObject
    """The permissions that a permission request asks for; a grant repeats them."""
    proposals: dict[ApprovalOptionId, tuple[ApprovalOption, JsonObject]] = attrs.field(factory=dict)
    """The options besides the decisions, each with the answer that takes it."""
    form: OpenForm | None = None

    @property
    def options(self) -> tuple[ApprovalOption, ...]:
        named = tuple(ApprovalOption(id=ApprovalOptionId(id_), name=name, kind=kind) for id_, name, kind in _DECISIONS)
        return (*named, *(option for option, _ in self.proposals.values()))

    def answer(
        self,
        decision: ApprovalDecision,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> JsonObject:
        """The result to send. A permission has no `cancel`: it is denied, and the caller interrupts the turn.

        Raises:
            AnswerRefused: the request has no such option, its kind contradicts the decision, or an answer is to none of
                its questions.
        """
        if self.form is not None:
            return self.form.answer(decision, answers)
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
    """An `OpenRequest` with the rules that Codex proposes."""
    return OpenRequest(
        key=key,
        id=request_id,
        kind=kind,
        permissions=object_of(params.get("permissions")),
        proposals={option.id: (option, {"decision": value}) for option, value in _read_proposals(params)},
    )


def summary_of(params: JsonObject, title: str) -> str:
    """A one-line summary of a request: the command or the files, and the agent's reason."""
    what = (
        text_of(params.get("command")) or title or text_of(object_of(params.get("networkApprovalContext")).get("host"))
    )
    reason = text_of(params.get("reason"))
    return ": ".join(part for part in (what, reason) if part)[:_MAX_SUMMARY] or "a permission"


def request_detail(message: JsonObject) -> JsonObject:
    """The fields of a request without its addresses."""
    addresses = ("threadId", "turnId", "itemId", "startedAtMs", "environmentId")
    return {key: value for key, value in message.items() if key not in addresses and value is not None}


def _read_proposals(params: JsonObject) -> list[tuple[ApprovalOption, JsonObject]]:
    """The rules that Codex proposes to keep permanently, each as an option with its answer."""
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
