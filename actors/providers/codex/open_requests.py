"""The requests of Codex that wait for a decision, as a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ....contracts.ids import ApprovalRequestId
from ....contracts.provider_events import ApprovalKind, ApprovalResolved, ProviderRuntimeEvent
from ....contracts.values import JsonObject
from ..jsonrpc.protocol import RequestId
from .approvals import OpenRequest, open_request

__all__ = ["OpenRequests"]

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class OpenRequests:
    """`count` is how many requests there were, those that nobody was asked included: each has a key of its own."""

    requests: Mapping[ApprovalRequestId, OpenRequest] = attrs.field(factory=dict[ApprovalRequestId, OpenRequest])
    count: int = 0

    def new(self, request_id: RequestId, kind: ApprovalKind, params: JsonObject) -> tuple[OpenRequests, OpenRequest]:
        """A request with a key of its own, which is not open yet."""
        request = open_request(ApprovalRequestId(f"approval-{self.count + 1}"), request_id, kind, params)
        return attrs.evolve(self, count=self.count + 1), request

    def opened(self, request: OpenRequest) -> OpenRequests:
        return attrs.evolve(self, requests={**self.requests, request.key: request})

    def without(self, key: ApprovalRequestId) -> OpenRequests:
        return attrs.evolve(self, requests={one: open_ for one, open_ in self.requests.items() if one != key})

    def taken_back(self, request_id: object) -> tuple[OpenRequests, Events]:
        """The agent resolved the request with this id of its own: one that is still open here was taken back."""
        return self._dropped(lambda request: request.id == request_id)

    def drop_all(self) -> tuple[OpenRequests, Events]:
        """Cancel what is open, which the agent does by itself."""
        return self._dropped(lambda _: True)

    def _dropped(self, is_dropped: Callable[[OpenRequest], bool]) -> tuple[OpenRequests, Events]:
        kept = {key: request for key, request in self.requests.items() if not is_dropped(request)}
        events = tuple(ApprovalResolved(request=key, decision="cancel") for key in self.requests if key not in kept)
        return attrs.evolve(self, requests=kept), events
