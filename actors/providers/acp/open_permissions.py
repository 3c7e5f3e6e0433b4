"""The permission requests of an ACP agent that wait for a decision, as a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

import attrs

from ....contracts.ids import ApprovalRequestId
from ....contracts.provider_events import ApprovalResolved
from ....contracts.values import JsonObject
from ..jsonrpc.protocol import RequestId
from ..jsonrpc.steps import RpcAnswer, RpcStep
from .permissions import Offer

__all__ = ["CANCELLED", "AcpPermission", "AcpPermissions"]

CANCELLED: Final[JsonObject] = {"outcome": {"outcome": "cancelled"}}
_MAX_OPEN: Final = 64


@attrs.frozen(kw_only=True)
class AcpPermission:
    """A request: the agent's id of it, and what it offers."""

    id: RequestId
    offers: tuple[Offer, ...]


@attrs.frozen(kw_only=True)
class AcpPermissions:
    """At most 64 requests, the oldest first. `count` is how many were asked: each has a key of its own."""

    requests: Mapping[ApprovalRequestId, AcpPermission] = attrs.field(factory=dict[ApprovalRequestId, AcpPermission])
    count: int = 0

    def ask(self, permission: AcpPermission) -> tuple[AcpPermissions, ApprovalRequestId, RpcStep]:
        """The key of a new request, and what gives up an older one as lost where there are too many."""
        kept, lost = self._give_up(len(self.requests) - _MAX_OPEN + 1, lost=True)
        key = ApprovalRequestId(f"permission-{self.count + 1}")
        return AcpPermissions(requests={**kept.requests, key: permission}, count=self.count + 1), key, lost

    def without(self, key: ApprovalRequestId) -> AcpPermissions:
        return attrs.evolve(self, requests={one: asked for one, asked in self.requests.items() if one != key})

    def give_up(self) -> tuple[AcpPermissions, RpcStep]:
        """Answer all of them `cancelled`."""
        return self._give_up(len(self.requests), lost=False)

    def _give_up(self, count: int, *, lost: bool) -> tuple[AcpPermissions, RpcStep]:
        """Answer the oldest requests `cancelled`; nobody declined a `lost` one."""
        given_up = dict(islice(self.requests.items(), max(0, count)))
        if not given_up:
            return self, RpcStep()
        step = RpcStep(
            events=tuple(ApprovalResolved(request=key, decision="cancel", lost=lost) for key in given_up),
            answers=tuple(RpcAnswer(id=permission.id, value=CANCELLED) for permission in given_up.values()),
        )
        kept = {key: permission for key, permission in self.requests.items() if key not in given_up}
        return attrs.evolve(self, requests=kept), step
