"""How a conversation over the Agent Client Protocol is opened: `initialize`, then a new session or an earlier one.

An agent resumes by `session/resume`, which is silent, or by `session/load`, which replays the history before its
reply. One that advertises `session/resume` and does not know it is asked to load.
Source: https://agentclientprotocol.com/protocol/session-setup
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...runtime.contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ...runtime.contracts.ids import ProviderThreadId, identifier_fault
from ...runtime.contracts.values import JsonObject
from .acp_options import Options, offered
from .acp_tools import object_of, text_of
from .adapter import SessionRequest
from .jsonrpc import JsonRpcPeer, RequestRefused
from .jsonrpc_protocol import METHOD_NOT_FOUND

__all__ = ["AgentFeatures", "OpenSession", "initialize", "open_session"]

_PROTOCOL_VERSION: Final = 1
_AUTHENTICATION_REQUIRED: Final = -32000


@attrs.frozen(kw_only=True)
class OpenSession:
    """A session that is ready for a turn, and what may be chosen of it."""

    session_id: ProviderThreadId
    options: Options


@attrs.frozen(kw_only=True)
class AgentFeatures:
    """What the agent's `initialize` reply advertises."""

    can_load: bool = False
    can_resume: bool = False
    takes_images: bool = False


async def initialize(peer: JsonRpcPeer, *, deadline_seconds: float) -> AgentFeatures:
    """Offer version 1 of the protocol, without files and terminals.

    Raises:
        ProviderProtocolError: the agent speaks another version, or refused.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    files = {"readTextFile": False, "writeTextFile": False}
    offer = {"protocolVersion": _PROTOCOL_VERSION, "clientCapabilities": {"fs": files, "terminal": False}}
    reply = object_of(await peer.request("initialize", offer, deadline_seconds=deadline_seconds))
    version = reply.get("protocolVersion")
    if version != _PROTOCOL_VERSION:
        raise ProviderProtocolError(
            f"the agent speaks version {version!r} of the Agent Client Protocol, not {_PROTOCOL_VERSION}: update it"
        )
    capabilities = object_of(reply.get("agentCapabilities"))
    return AgentFeatures(
        can_load=capabilities.get("loadSession") is True,
        can_resume=_advertised(object_of(capabilities.get("sessionCapabilities")).get("resume")),
        takes_images=_advertised(object_of(capabilities.get("promptCapabilities")).get("image")),
    )


async def open_session(
    peer: JsonRpcPeer, agent: AgentFeatures, request: SessionRequest, *, deadline_seconds: float
) -> OpenSession:
    """A new session, or the one that `request.resume_cursor` names.

    Raises:
        ProviderUnavailable: the agent wants a login first.
        ResumeRefused: the cursor names no session, or none that the agent knows, or the agent cannot resume.
        ProviderProtocolError: the agent refused a new session, or its session has no proper id.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    where: JsonObject = {"cwd": str(request.workspace.absolute()), "mcpServers": []}
    if request.resume_cursor is not None:
        return await _resume(peer, agent, request.resume_cursor, where, deadline_seconds)
    try:
        reply = await peer.request("session/new", where, deadline_seconds=deadline_seconds)
    except RequestRefused as error:
        if error.code == _AUTHENTICATION_REQUIRED:
            raise ProviderUnavailable(f"the agent wants a login, with its own program: {error.said}") from error
        raise
    session_id = text_of(object_of(reply).get("sessionId"))
    fault = identifier_fault(session_id)
    if fault is not None:
        raise ProviderProtocolError(f"the agent's session id {session_id[:40]!r} is no identifier: {fault}")
    return OpenSession(session_id=ProviderThreadId(session_id), options=offered(reply))


async def _resume(
    peer: JsonRpcPeer, agent: AgentFeatures, cursor: JsonObject, where: JsonObject, deadline_seconds: float
) -> OpenSession:
    session_id = text_of(cursor.get("sessionId"))
    if identifier_fault(session_id) is not None:
        raise ResumeRefused(f"the resume cursor names no session: {cursor!r}")
    params = {"sessionId": session_id, **where}
    methods = [
        method for method, can in (("session/resume", agent.can_resume), ("session/load", agent.can_load)) if can
    ]
    if not methods:
        raise ResumeRefused(f"session {session_id!r} cannot go on: the agent offers no way to resume one")
    reply: Any = None
    for method in methods:
        try:
            reply = await peer.request(method, params, deadline_seconds=deadline_seconds)
        except RequestRefused as error:
            if error.code == METHOD_NOT_FOUND and method != methods[-1]:
                continue
            raise ResumeRefused(f"the agent does not resume session {session_id!r}: {error.said}") from error
        break
    return OpenSession(session_id=ProviderThreadId(session_id), options=offered(reply))


def _advertised(capability: Any) -> bool:
    return capability is True or isinstance(capability, dict)
