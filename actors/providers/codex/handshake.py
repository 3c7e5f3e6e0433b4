"""How a conversation with Codex is opened: `initialize`, then a new thread or an earlier one.

Codex keeps the model and effort that a thread used last, but not its sandbox. So the cursor keeps the model and effort
that the thread started with, and sandbox and approval policy are passed each time. Codex stores nothing of a thread
that never had a turn: if it does not find the thread of a cursor that is `unused`, a new thread is opened, since
nothing is lost. Any other refusal is a `ResumeRefused`. Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Final

import attrs

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ....contracts.ids import ProviderThreadId, identifier_fault
from ....contracts.values import JsonObject
from ..failures import with_login
from ..jsonrpc.peer import JsonRpcPeer, RequestRefused
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain
from .failures import LOGIN

__all__ = ["OpenThread", "initialize", "open_thread", "read_default_effort"]

_CLIENT: Final = {"name": "orchestrion", "title": "Orchestrion", "version": "0"}
_NO_TRACE: Final = "no rollout found"
"""The beginning of the error about a thread that Codex does not have. Its code is that of every invalid request."""


@attrs.frozen(kw_only=True)
class OpenThread:
    """A thread that is ready for a turn. `model` and `effort` apply to turns that name none; None is Codex's own."""

    thread_id: ProviderThreadId
    model: str | None
    effort: str | None
    current_effort: str | None
    unused: bool

    def cursor(self) -> JsonObject:
        """The resume cursor for a later `open_thread`."""
        cursor: JsonObject = {"threadId": self.thread_id}
        cursor |= {key: value for key, value in (("model", self.model), ("effort", self.effort)) if value is not None}
        return {**cursor, "unused": True} if self.unused else cursor


async def initialize(peer: JsonRpcPeer, *, deadline_seconds: float) -> None:
    """Introduce the client.

    Raises:
        ProviderProtocolError: the agent refused.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    await peer.request("initialize", {"clientInfo": _CLIENT, "capabilities": {}}, deadline_seconds=deadline_seconds)
    await peer.notify("initialized", {})


async def open_thread(
    peer: JsonRpcPeer, cursor: JsonObject | None, params: JsonObject, *, model: str | None, deadline_seconds: float
) -> OpenThread:
    """A new thread, or the one that `cursor` names, with the parameters that both ways have in common.

    Raises:
        ProviderUnavailable: the agent requires a login; the conversation is not lost.
        ResumeRefused: the cursor names no thread, the agent has no such thread, or another process has it open.
        ProviderProtocolError: the agent refused a new thread, or its thread id is not an identifier.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    if cursor is not None:
        resumed = await _resume(peer, cursor, params, model, deadline_seconds)
        if resumed is not None:
            return resumed
    try:
        started = await peer.request("thread/start", _with_model(params, model), deadline_seconds=deadline_seconds)
    except RequestRefused as error:
        _check_login(error)
        raise
    reply = object_of(started)
    thread_id = text_of(object_of(reply.get("thread")).get("id"))
    fault = identifier_fault(thread_id)
    if fault is not None:
        raise ProviderProtocolError(f"the agent's thread id {thread_id[:40]!r} is not an identifier: {fault}")
    effort = text_of(reply.get("reasoningEffort")) or None
    return OpenThread(
        thread_id=ProviderThreadId(thread_id),
        model=text_of(reply.get("model")) or None,
        effort=effort,
        current_effort=effort,
        unused=True,
    )


async def read_default_effort(peer: JsonRpcPeer, model: str | None, *, deadline_seconds: float) -> str | None:
    """The effort that Codex uses for a model by default; None for a model that it does not list.

    Raises:
        ProviderProtocolError: the agent refused.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    listed = object_of(await peer.request("model/list", {"includeHidden": True}, deadline_seconds=deadline_seconds))
    for one in map(object_of, list_of(listed.get("data"))):
        if one.get("model") == model:
            return text_of(one.get("defaultReasoningEffort")) or None
    return None


async def _resume(
    peer: JsonRpcPeer, cursor: JsonObject, params: JsonObject, model: str | None, deadline_seconds: float
) -> OpenThread | None:
    thread_id = text_of(cursor.get("threadId"))
    if identifier_fault(thread_id) is not None:
        raise ResumeRefused(f"the resume cursor names no thread: {cursor!r}")
    model = model or text_of(cursor.get("model")) or None
    resuming = _with_model({"threadId": thread_id, **params, "excludeTurns": True}, model)
    try:
        reply = object_of(await peer.request("thread/resume", resuming, deadline_seconds=deadline_seconds))
    except RequestRefused as error:
        _check_login(error)
        if cursor.get("unused") is True and error.cause.startswith(_NO_TRACE):
            return None
        raise ResumeRefused(f"the agent does not resume thread {thread_id!r}: {error.cause}") from error
    return OpenThread(
        thread_id=ProviderThreadId(thread_id),
        model=model or text_of(reply.get("model")) or None,
        effort=text_of(cursor.get("effort")) or None,
        current_effort=text_of(reply.get("reasoningEffort")) or None,
        unused=False,
    )


def _check_login(error: RequestRefused) -> None:
    """Raises: ProviderUnavailable: the request was refused because a login is missing."""
    if error.reason == "unauthenticated":
        message = with_login(f"Codex requires a login: {plain(error.cause)}", "unauthenticated", LOGIN)
        raise ProviderUnavailable(message, reason="unauthenticated", login=[LOGIN]) from error


def _with_model(params: JsonObject, model: str | None) -> JsonObject:
    return params if model is None else {**params, "model": model}
