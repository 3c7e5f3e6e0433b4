"""The effects of an input to a conversation over JSON-RPC, as plain values."""

from __future__ import annotations

import attrs

from ....contracts.provider_events import ProviderRuntimeEvent
from ....contracts.values import JsonObject
from .protocol import Notification, RequestId

__all__ = ["RpcAnswer", "RpcCall", "RpcStep"]


@attrs.frozen(kw_only=True)
class RpcAnswer:
    """The result to send for a request of the agent."""

    id: RequestId
    value: JsonObject


@attrs.frozen(kw_only=True)
class RpcCall:
    """A request to send to the agent."""

    method: str
    params: JsonObject


@attrs.frozen(kw_only=True)
class RpcStep:
    """Events for the runtime; then notifications, answers and calls to send to the agent, in this order."""

    events: tuple[ProviderRuntimeEvent, ...] = ()
    notifications: tuple[Notification, ...] = ()
    answers: tuple[RpcAnswer, ...] = ()
    calls: tuple[RpcCall, ...] = ()
