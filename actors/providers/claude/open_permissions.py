"""The requests for permission that wait for a decision, with what may be answered to each. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ....contracts.errors import AnswerRefused, ProviderProtocolError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId
from ....contracts.provider_events import ApprovalOption, ApprovalResolved
from ....contracts.values import ApprovalDecision

__all__ = ["OpenPermissions"]


@attrs.frozen(kw_only=True)
class OpenPermissions:
    """`options` has what each open request offers, by its key; `asked` counts the session's requests."""

    options: Mapping[ApprovalRequestId, tuple[ApprovalOption, ...]] = attrs.field(
        factory=dict[ApprovalRequestId, tuple[ApprovalOption, ...]]
    )
    asked: int = 0

    def ask(self, options: tuple[ApprovalOption, ...]) -> tuple[OpenPermissions, ApprovalRequestId]:
        """Open a request under a key that no other one of the session has."""
        request = ApprovalRequestId(f"permission-{self.asked + 1}")
        return OpenPermissions(options={**self.options, request: options}, asked=self.asked + 1), request

    def decide(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None
    ) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        """Close a request with its user's decision.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: the option is none of the request's, or contradicts the decision.
        """
        if request not in self.options:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        _check(self.options[request], decision, option)
        return self._without(request), (ApprovalResolved(request=request, decision=decision),)

    def withdraw(self, request: ApprovalRequestId) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        """Close a request that the agent does not wait for any more, if it is open."""
        if request not in self.options:
            return self, ()
        return self._without(request), (ApprovalResolved(request=request, decision="cancel"),)

    def cancel_all(self) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        resolved = tuple(ApprovalResolved(request=request, decision="cancel") for request in sorted(self.options))
        return attrs.evolve(self, options={}), resolved

    def _without(self, request: ApprovalRequestId) -> OpenPermissions:
        return attrs.evolve(self, options={key: one for key, one in self.options.items() if key != request})


def _check(options: tuple[ApprovalOption, ...], decision: ApprovalDecision, option: ApprovalOptionId | None) -> None:
    if option is None:
        return
    kind = next((one.kind for one in options if one.id == option), None)
    if kind is None:
        raise AnswerRefused(f"the approval request has no option {option!r}")
    allows = option not in ("decline", "cancel")
    if allows != (decision in ("accept", "acceptForSession")):
        raise AnswerRefused(f"the option {option!r} ({kind}) contradicts the decision {decision}")
