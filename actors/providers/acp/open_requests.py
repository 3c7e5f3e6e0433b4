"""The permission requests and forms of an ACP agent that wait for their user, as a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

import attrs

from ....contracts.ids import ApprovalRequestId
from ....contracts.provider_events import ApprovalResolved
from ....contracts.values import JsonObject
from ..forms import FormField
from ..jsonrpc.protocol import RequestId
from ..jsonrpc.steps import RpcAnswer, RpcStep
from .permissions import Offer

__all__ = ["CANCELLED", "FORM_CANCELLED", "AcpRequest", "AcpRequests"]

CANCELLED: Final[JsonObject] = {"outcome": {"outcome": "cancelled"}}
"""The answer to a permission request of a turn that ends."""
FORM_CANCELLED: Final[JsonObject] = {"action": "cancel"}
_MAX_OPEN: Final = 64


@attrs.frozen(kw_only=True)
class AcpRequest:
    """A request: the agent's id of it, and its options, or the fields of its form."""

    id: RequestId
    offers: tuple[Offer, ...] = ()
    fields: Mapping[str, FormField] | None = None

    @property
    def cancellation(self) -> JsonObject:
        return CANCELLED if self.fields is None else FORM_CANCELLED


@attrs.frozen(kw_only=True)
class AcpRequests:
    """At most 64 requests, the oldest first. `count` is the number of requests so far, from which keys are made."""

    requests: Mapping[ApprovalRequestId, AcpRequest] = attrs.field(factory=dict[ApprovalRequestId, AcpRequest])
    count: int = 0

    def open(self, request: AcpRequest) -> tuple[AcpRequests, ApprovalRequestId, RpcStep]:
        """Add a request; returns its key, and the step that cancels the oldest one where there are too many."""
        kept, lost = self._cancel_oldest(len(self.requests) - _MAX_OPEN + 1, lost=True)
        key = ApprovalRequestId(f"{'permission' if request.fields is None else 'form'}-{self.count + 1}")
        return AcpRequests(requests={**kept.requests, key: request}, count=self.count + 1), key, lost

    def remove(self, key: ApprovalRequestId) -> AcpRequests:
        return attrs.evolve(self, requests={one: asked for one, asked in self.requests.items() if one != key})

    def cancel_all(self) -> tuple[AcpRequests, RpcStep]:
        """Answer every open request `cancelled`."""
        return self._cancel_oldest(len(self.requests), lost=False)

    def _cancel_oldest(self, count: int, *, lost: bool) -> tuple[AcpRequests, RpcStep]:
        """Answer the oldest `count` requests `cancelled`; `lost` where no user decided."""
        cancelled = dict(islice(self.requests.items(), max(0, count)))
        if not cancelled:
            return self, RpcStep()
        step = RpcStep(
            events=tuple(ApprovalResolved(request=key, decision="cancel", lost=lost) for key in cancelled),
            answers=tuple(RpcAnswer(id=request.id, value=request.cancellation) for request in cancelled.values()),
        )
        kept = {key: request for key, request in self.requests.items() if key not in cancelled}
        return attrs.evolve(self, requests=kept), step
