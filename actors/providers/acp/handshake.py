"""How a conversation over the Agent Client Protocol is opened: `initialize`, then a new session or an earlier one.

An agent resumes by `session/resume`, which does not replay the history, or by `session/load`, which replays it before
the reply. Some agents continue the replay after the reply. If an agent advertises `session/resume` but has no such
method, `session/load` is used.

While a session is opened the deadline counts silence: a long history may take longer, as long as updates arrive.

An agent that requires a login, has no quota left or lacks its model has not lost the conversation: this is a
`ProviderUnavailable` with its reason, never a `ResumeRefused`.
Source: https://agentclientprotocol.com/protocol/session-setup
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from ....contracts.errors import ProviderError, ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ....contracts.ids import ProviderThreadId, identifier_fault
from ....contracts.provider_events import SessionChoice
from ....contracts.values import JsonObject
from ..jsonrpc.peer import JsonRpcPeer, RequestRefused
from ..jsonrpc.protocol import METHOD_NOT_FOUND
from ..loose_json import list_of, object_of, text_of
from ..redaction import readable
from .options import Options, read_options
from .session_info import read_login_commands, read_logins
from .steering import can_steer

__all__ = ["AgentFeatures", "OpenSession", "initialize", "open_session"]

_PROTOCOL_VERSION: Final = 1
_LONGEST_OPENING_SECONDS: Final = 30 * 60.0
_MAX_LOGINS: Final = 8
_MAX_LOGIN: Final = 200
_ACCOUNT_REASONS: Final = ("unauthenticated", "rate_limited", "model_unavailable")


@attrs.frozen(kw_only=True)
class OpenSession:
    """A session that is ready for a turn, and its options."""

    session_id: ProviderThreadId
    options: Options


@attrs.frozen(kw_only=True)
class AgentFeatures:
    """What the agent's `initialize` reply advertises. `login` describes its ways to log in; empty without any."""

    can_load: bool = False
    can_resume: bool = False
    can_list: bool = False
    takes_images: bool = False
    takes_resources: bool = False
    takes_http_servers: bool = False
    takes_directories: bool = False
    can_steer: bool = False
    login: str = ""
    logins: tuple[SessionChoice, ...] = ()
    login_commands: tuple[str, ...] = ()


async def initialize(
    peer: JsonRpcPeer, *, deadline_seconds: float, program: str = "", login: Sequence[str] = ()
) -> AgentFeatures:
    """Offer version 1 of the protocol, without files and terminals.

    `login` are the commands that log in where the agent names none that `program` takes.

    Raises:
        ProviderUnavailable: the agent requires a login, has reached a limit or lacks its model.
        ProviderProtocolError: the agent uses another version of the protocol, or refused.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    files = {"readTextFile": False, "writeTextFile": False}
    offered = {"fs": files, "terminal": False, "elicitation": {"form": {}}}
    offer = {"protocolVersion": _PROTOCOL_VERSION, "clientCapabilities": offered}
    try:
        reply = object_of(await peer.request("initialize", offer, deadline_seconds=deadline_seconds))
    except RequestRefused as error:
        raise _provider_error(AgentFeatures(login_commands=tuple(login)), error) from error
    version = reply.get("protocolVersion")
    if version != _PROTOCOL_VERSION:
        raise ProviderProtocolError(
            f"the agent uses version {version!r} of the Agent Client Protocol, not {_PROTOCOL_VERSION}: update it"
        )
    capabilities = object_of(reply.get("agentCapabilities"))
    of_sessions = object_of(capabilities.get("sessionCapabilities"))
    return AgentFeatures(
        can_load=capabilities.get("loadSession") is True,
        can_resume=_is_advertised(of_sessions.get("resume")),
        can_list=_is_advertised(of_sessions.get("list")),
        can_steer=can_steer(reply),
        takes_images=_is_advertised(object_of(capabilities.get("promptCapabilities")).get("image")),
        takes_resources=_is_advertised(object_of(capabilities.get("promptCapabilities")).get("embeddedContext")),
        takes_http_servers=_is_advertised(object_of(capabilities.get("mcpCapabilities")).get("http")),
        takes_directories=_is_advertised(of_sessions.get("additionalDirectories")),
        login=_describe_logins(reply.get("authMethods")),
        logins=read_logins(reply.get("authMethods")),
        login_commands=read_login_commands(reply.get("authMethods"), program) or tuple(login),
    )


async def open_session(
    peer: JsonRpcPeer, agent: AgentFeatures, cursor: JsonObject | None, params: JsonObject, *, deadline_seconds: float
) -> OpenSession:
    """A new session, or the one that `cursor` names, with the parameters that all ways to open one have in common.

    Raises:
        ProviderUnavailable: the agent requires a login, has reached a limit or lacks its model.
        ResumeRefused: the cursor names no session, the agent has no such session, or it cannot resume.
        ProviderProtocolError: the agent refused a new session, or its session has no proper id.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    if cursor is not None:
        return await _resume(peer, agent, cursor, params, deadline_seconds)
    try:
        reply = await _request_opening(peer, "session/new", params, deadline_seconds)
    except RequestRefused as error:
        raise _provider_error(agent, error) from error
    session_id = text_of(object_of(reply).get("sessionId"))
    fault = identifier_fault(session_id)
    if fault is not None:
        raise ProviderProtocolError(f"the agent's session id {session_id[:40]!r} is not an identifier: {fault}")
    return OpenSession(session_id=ProviderThreadId(session_id), options=read_options(reply))


async def _resume(
    peer: JsonRpcPeer, agent: AgentFeatures, cursor: JsonObject, params: JsonObject, deadline_seconds: float
) -> OpenSession:
    session_id = text_of(cursor.get("sessionId"))
    if identifier_fault(session_id) is not None:
        raise ResumeRefused(f"the resume cursor names no session: {cursor!r}")
    params = {"sessionId": session_id, **params}
    methods = [
        method for method, can in (("session/resume", agent.can_resume), ("session/load", agent.can_load)) if can
    ]
    for method in methods:
        try:
            reply = await _request_opening(peer, method, params, deadline_seconds)
        except RequestRefused as error:
            if error.code == METHOD_NOT_FOUND and method != methods[-1]:
                continue
            if error.reason in _ACCOUNT_REASONS:
                raise _provider_error(agent, error) from error
            raise ResumeRefused(f"the agent does not resume session {session_id!r}: {error.cause}") from error
        return OpenSession(session_id=ProviderThreadId(session_id), options=read_options(reply))
    raise ResumeRefused(f"session {session_id!r} cannot go on: the agent offers no way to resume one")


async def _request_opening(peer: JsonRpcPeer, method: str, params: JsonObject, deadline_seconds: float) -> Any:
    return await peer.request(
        method, params, deadline_seconds=deadline_seconds, longest_seconds=_LONGEST_OPENING_SECONDS
    )


def _provider_error(agent: AgentFeatures, error: RequestRefused) -> ProviderError:
    if error.reason not in _ACCOUNT_REASONS:
        return ProviderProtocolError(str(error), reason=error.reason)
    if error.reason != "unauthenticated":
        return ProviderUnavailable(str(error), reason=error.reason)
    how = f"; {agent.login}" if agent.login else ": log in with the agent's own program"
    return ProviderUnavailable(
        f"the agent requires a login: {error.cause}{how}", reason="unauthenticated", login=agent.login_commands
    )


def _describe_logins(methods: Any) -> str:
    """The ways to log in that the agent advertises, as text."""
    described: list[str] = []
    for method in map(object_of, list_of(methods)[:_MAX_LOGINS]):
        parts = (text_of(method.get(key))[:_MAX_LOGIN] for key in ("name", "description"))
        text = readable(": ".join(part for part in parts if part)) or text_of(method.get("id"))
        described.append(text[: 2 * _MAX_LOGIN])
    return f"its ways to log in: {'; '.join(described)}" if described else ""


def _is_advertised(capability: Any) -> bool:
    return capability is True or isinstance(capability, dict)
