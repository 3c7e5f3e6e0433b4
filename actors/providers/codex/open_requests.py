"""The requests of Codex that wait for a decision, as a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ....contracts.ids import ApprovalRequestId
from ....contracts.provider_events import ApprovalKind, ApprovalResolved, ProviderRuntimeEvent
from ....contracts.values import JsonObject
from ..jsonrpc.protocol import RequestId
from .approvals import OpenRequest, open_request
from .questions import OpenForm

__all__ = ["OpenRequests"]

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class OpenRequests:
    """`count` is the number of requests so far, refused ones included; keys are made from it."""

    requests: Mapping[ApprovalRequestId, OpenRequest] = attrs.field(factory=dict[ApprovalRequestId, OpenRequest])
    count: int = 0

    def make(self, request_id: RequestId, kind: ApprovalKind, params: JsonObject) -> tuple[OpenRequests, OpenRequest]:
        """Make a request with a key of its own; `add` opens it."""
        request = open_request(ApprovalRequestId(f"approval-{self.count + 1}"), request_id, kind, params)
        return attrs.evolve(self, count=self.count + 1), request

    def make_form(self, request_id: RequestId, form: OpenForm) -> tuple[OpenRequests, OpenRequest]:
        """Make a form with a key of its own; `add` opens it."""
        key = ApprovalRequestId(f"form-{self.count + 1}")
        request = OpenRequest(key=key, id=request_id, kind="permission", permissions={}, form=form)
        return attrs.evolve(self, count=self.count + 1), request

    def add(self, request: OpenRequest) -> OpenRequests:
        return attrs.evolve(self, requests={**self.requests, request.key: request})

    def remove(self, key: ApprovalRequestId) -> OpenRequests:
        return attrs.evolve(self, requests={one: open_ for one, open_ in self.requests.items() if one != key})

    def drop_resolved(self, request_id: object) -> tuple[OpenRequests, Events]:
        """Cancel the open request with this id of the agent's: the agent resolved it without an answer."""
        return self._drop(lambda request: request.id == request_id)

    def drop_all(self) -> tuple[OpenRequests, Events]:
        """Cancel every open request. The agent needs no answer: it drops them when its turn ends."""
        return self._drop(lambda _: True)

    def _drop(self, is_dropped: Callable[[OpenRequest], bool]) -> tuple[OpenRequests, Events]:
        kept = {key: request for key, request in self.requests.items() if not is_dropped(request)}
        events = tuple(ApprovalResolved(request=key, decision="cancel") for key in self.requests if key not in kept)
        return attrs.evolve(self, requests=kept), events
