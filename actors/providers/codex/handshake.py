"""How a conversation with Codex is opened: `initialize`, then a new thread or an earlier one.

Codex remembers the model and effort that a thread used last, and forgets its sandbox. So the cursor keeps what the
thread started with, and sandbox and approval policy are passed each time. It keeps nothing of a thread that never had
a turn: a cursor that is `unused` opens a new thread when there is no trace of the old one, since nothing is lost with
it. Any other refusal is one. Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ....contracts.ids import ProviderThreadId, identifier_fault
from ....contracts.values import JsonObject
from ..adapter import SessionRequest
from ..failures import with_login
from ..jsonrpc.peer import JsonRpcPeer, RequestRefused
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain
from .failures import LOGIN

__all__ = ["ApprovalPolicy", "OpenThread", "SandboxMode", "default_effort", "initialize", "open_thread"]

SandboxMode: TypeAlias = Literal["read-only", "workspace-write", "danger-full-access"]
ApprovalPolicy: TypeAlias = Literal["untrusted", "on-request", "never"]

_CLIENT: Final = {"name": "orchestrion", "title": "Orchestrion", "version": "0"}
_NO_TRACE: Final = "no rollout found"
"""How Codex begins to say that it keeps nothing of a thread. Its code is that of every invalid request."""


@attrs.frozen(kw_only=True)
class OpenThread:
    """A thread that is ready for a turn. `model` and `effort` hold for turns that name none; None is Codex's own."""

    thread_id: ProviderThreadId
    model: str | None
    effort: str | None
    current_effort: str | None
    unused: bool

    def cursor(self) -> JsonObject:
        """What a later `open_thread` needs."""
        told: JsonObject = {"threadId": self.thread_id}
        told |= {key: value for key, value in (("model", self.model), ("effort", self.effort)) if value is not None}
        return {**told, "unused": True} if self.unused else told


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
    peer: JsonRpcPeer,
    request: SessionRequest,
    *,
    sandbox: SandboxMode,
    approval_policy: ApprovalPolicy,
    model: str | None,
    deadline_seconds: float,
) -> OpenThread:
    """A new thread, or the one that `request.resume_cursor` names.

    Raises:
        ProviderUnavailable: the agent wants a login first; the conversation is not lost.
        ResumeRefused: the cursor names no thread, or none that the agent knows, or another process has it open.
        ProviderProtocolError: the agent refused a new thread, or its thread has no proper id.
        ReplyOverdue: it did not answer within the deadline.
        SessionLost: it is gone.
    """
    where: JsonObject = {
        "cwd": str(request.workspace.absolute()),
        "sandbox": sandbox,
        "approvalPolicy": approval_policy,
    }
    cursor = request.resume_cursor
    if cursor is not None:
        resumed = await _resume(peer, cursor, where, request.model or model, deadline_seconds)
        if resumed is not None:
            return resumed
    try:
        started = await peer.request(
            "thread/start", _with_model(where, request.model or model), deadline_seconds=deadline_seconds
        )
    except RequestRefused as error:
        _check_login(error)
        raise
    reply = object_of(started)
    thread_id = text_of(object_of(reply.get("thread")).get("id"))
    fault = identifier_fault(thread_id)
    if fault is not None:
        raise ProviderProtocolError(f"the agent's thread id {thread_id[:40]!r} is no identifier: {fault}")
    effort = text_of(reply.get("reasoningEffort")) or None
    return OpenThread(
        thread_id=ProviderThreadId(thread_id),
        model=text_of(reply.get("model")) or None,
        effort=effort,
        current_effort=effort,
        unused=True,
    )


async def default_effort(peer: JsonRpcPeer, model: str | None, *, deadline_seconds: float) -> str | None:
    """The effort at which Codex runs a model that was told none, or None for a model that it does not list.

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
    peer: JsonRpcPeer, cursor: JsonObject, where: JsonObject, model: str | None, deadline_seconds: float
) -> OpenThread | None:
    thread_id = text_of(cursor.get("threadId"))
    if identifier_fault(thread_id) is not None:
        raise ResumeRefused(f"the resume cursor names no thread: {cursor!r}")
    model = model or text_of(cursor.get("model")) or None
    params = _with_model({"threadId": thread_id, **where, "excludeTurns": True}, model)
    try:
        reply = object_of(await peer.request("thread/resume", params, deadline_seconds=deadline_seconds))
    except RequestRefused as error:
        _check_login(error)
        if cursor.get("unused") is True and error.said.startswith(_NO_TRACE):
            return None
        raise ResumeRefused(f"the agent does not resume thread {thread_id!r}: {error.said}") from error
    return OpenThread(
        thread_id=ProviderThreadId(thread_id),
        model=model or text_of(reply.get("model")) or None,
        effort=text_of(cursor.get("effort")) or None,
        current_effort=text_of(reply.get("reasoningEffort")) or None,
        unused=False,
    )


def _check_login(error: RequestRefused) -> None:
    """Raises: ProviderUnavailable: what is missing is a login."""
    if error.reason == "unauthenticated":
        said = with_login(f"Codex wants a login: {plain(error.said)}", "unauthenticated", LOGIN)
        raise ProviderUnavailable(said, reason="unauthenticated") from error


def _with_model(params: JsonObject, model: str | None) -> JsonObject:
    return params if model is None else {**params, "model": model}
