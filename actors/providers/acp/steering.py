"""Messages into a running prompt, by the extension `_session/steering` that ACP agents advertise in `initialize`.

The protocol itself has no such method. claude-agent-acp and codex-acp serve the extension. It is asked not to start a
turn of its own: a message that finds no running turn is given back.
Source: https://github.com/agentclientprotocol/codex-acp
"""

from __future__ import annotations

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ProviderThreadId
from ....contracts.values import JsonObject
from ..jsonrpc.peer import JsonRpcPeer
from ..loose_json import object_of, text_of

__all__ = ["can_steer", "steer"]


def can_steer(introduction: JsonObject) -> bool:
    """Whether an `initialize` reply advertises the extension."""
    return object_of(object_of(introduction.get("_meta")).get("steering")).get("supported") is True


async def steer(
    peer: JsonRpcPeer, session_id: ProviderThreadId, prompt: list[JsonObject], *, deadline_seconds: float
) -> None:
    """Add a message to the running prompt.

    Raises:
        ProviderProtocolError: the agent did not take it.
        ReplyOverdue, SessionLost: it is unknown whether it did.
    """
    params = {"sessionId": session_id, "prompt": prompt, "_meta": {"steering": {"idleBehavior": "promptRequired"}}}
    reply = object_of(await peer.request("_session/steering", params, deadline_seconds=deadline_seconds))
    if reply.get("outcome") != "injected":
        why = text_of(reply.get("reason")) or text_of(reply.get("outcome")) or "no reason given"
        raise ProviderProtocolError(f"the agent did not take the message: {why}")
