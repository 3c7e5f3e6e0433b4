"""Control requests that the SDK's client has no method for: they are sent and answered beside it."""

from __future__ import annotations

import json
from typing import Final

import anyio

from ....contracts.errors import ProviderProtocolError
from ....contracts.values import JsonObject
from .transport import ProcessTransport

__all__ = ["ControlRequests"]

_PREFIX: Final = "orchestrion-"


class ControlRequests:
    """The open control requests of one connection. Its owner passes every control response to `settle`."""

    def __init__(self) -> None:
        self._open: dict[str, _ControlRequest] = {}
        self._count = 0

    async def send(self, transport: ProcessTransport, request: JsonObject) -> JsonObject:
        """Send a request and wait for its response, which is returned.

        Raises:
            ProviderProtocolError: the agent refused the request.
            SessionLost: the agent is gone.
        """
        self._count += 1
        request_id = f"{_PREFIX}{self._count}"
        pending = self._open[request_id] = _ControlRequest()
        message = {"type": "control_request", "request_id": request_id, "request": request}
        try:
            await transport.write(json.dumps(message) + "\n")
            return await pending.wait()
        finally:
            del self._open[request_id]

    def settle(self, response: JsonObject) -> bool:
        """Take a control response; returns whether it answers a request that was sent here."""
        pending = self._open.get(str(response.get("request_id")))
        if pending is None:
            return False
        pending.settle(response)
        return True

    def lose(self) -> None:
        """Make every open request fail, since the agent is gone."""
        for pending in self._open.values():
            pending.settle({"subtype": "error", "error": "the agent is gone"})


class _ControlRequest:
    def __init__(self) -> None:
        self._settled = anyio.Event()
        self._response: JsonObject = {}

    def settle(self, response: JsonObject) -> None:
        self._response = response
        self._settled.set()

    async def wait(self) -> JsonObject:
        """Raises: ProviderProtocolError: the agent refused the request."""
        await self._settled.wait()
        if self._response.get("subtype") == "error":
            raise ProviderProtocolError(str(self._response.get("error")))
        return self._response
