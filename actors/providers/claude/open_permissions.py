"""The requests for permission that wait for a decision, with the options of each. Pure."""

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
    """`options` has the options of each open request by its key; `asked` counts the session's requests."""

    options: Mapping[ApprovalRequestId, tuple[ApprovalOption, ...]] = attrs.field(
        factory=dict[ApprovalRequestId, tuple[ApprovalOption, ...]]
    )
    asked: int = 0

    def open(self, options: tuple[ApprovalOption, ...]) -> tuple[OpenPermissions, ApprovalRequestId]:
        """Open a request under a key that no other one of the session has."""
        request = ApprovalRequestId(f"permission-{self.asked + 1}")
        return OpenPermissions(options={**self.options, request: options}, asked=self.asked + 1), request

    def decide(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None
    ) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        """Close a request with its user's decision.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: the request has no such option, or the option contradicts the decision.
        """
        if request not in self.options:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        _check_option(self.options[request], decision, option)
        return self._remove(request), (ApprovalResolved(request=request, decision=decision),)

    def withdraw(self, request: ApprovalRequestId) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        """Close a request, if it is open, because the agent has stopped waiting for it."""
        if request not in self.options:
            return self, ()
        return self._remove(request), (ApprovalResolved(request=request, decision="cancel"),)

    def cancel_all(self) -> tuple[OpenPermissions, tuple[ApprovalResolved, ...]]:
        resolved = tuple(ApprovalResolved(request=request, decision="cancel") for request in sorted(self.options))
        return attrs.evolve(self, options={}), resolved

    def _remove(self, request: ApprovalRequestId) -> OpenPermissions:
        return attrs.evolve(self, options={key: one for key, one in self.options.items() if key != request})


def _check_option(
    options: tuple[ApprovalOption, ...], decision: ApprovalDecision, option: ApprovalOptionId | None
) -> None:
    if option is None:
        return
    kind = next((one.kind for one in options if one.id == option), None)
    if kind is None:
        raise AnswerRefused(f"the approval request has no option {option!r}")
    allows = option not in ("decline", "cancel")
    if allows != (decision in ("accept", "acceptForSession")):
        raise AnswerRefused(f"the option {option!r} ({kind}) contradicts the decision {decision}")
