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
    """A request: the agent's id of it, and its options."""

    id: RequestId
    offers: tuple[Offer, ...]


@attrs.frozen(kw_only=True)
class AcpPermissions:
    """At most 64 requests, the oldest first. `count` is the number of requests so far, from which keys are made."""

    requests: Mapping[ApprovalRequestId, AcpPermission] = attrs.field(factory=dict[ApprovalRequestId, AcpPermission])
    count: int = 0

    def open(self, permission: AcpPermission) -> tuple[AcpPermissions, ApprovalRequestId, RpcStep]:
        """Add a request; returns its key, and the step that cancels the oldest one where there are too many."""
        kept, lost = self._cancel_oldest(len(self.requests) - _MAX_OPEN + 1, lost=True)
        key = ApprovalRequestId(f"permission-{self.count + 1}")
        return AcpPermissions(requests={**kept.requests, key: permission}, count=self.count + 1), key, lost

    def remove(self, key: ApprovalRequestId) -> AcpPermissions:
        return attrs.evolve(self, requests={one: asked for one, asked in self.requests.items() if one != key})

    def cancel_all(self) -> tuple[AcpPermissions, RpcStep]:
        """Answer every open request `cancelled`."""
        return self._cancel_oldest(len(self.requests), lost=False)

    def _cancel_oldest(self, count: int, *, lost: bool) -> tuple[AcpPermissions, RpcStep]:
        """Answer the oldest `count` requests `cancelled`; `lost` where no user decided."""
        cancelled = dict(islice(self.requests.items(), max(0, count)))
        if not cancelled:
            return self, RpcStep()
        step = RpcStep(
            events=tuple(ApprovalResolved(request=key, decision="cancel", lost=lost) for key in cancelled),
            answers=tuple(RpcAnswer(id=permission.id, value=CANCELLED) for permission in cancelled.values()),
        )
        kept = {key: permission for key, permission in self.requests.items() if key not in cancelled}
        return attrs.evolve(self, requests=kept), step
