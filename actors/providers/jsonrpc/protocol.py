"""JSON-RPC 2.0 over newline-delimited JSON as plain values: bytes become messages, messages bytes, without I/O.

The ids of requests are counted from 0, so a reply to an id that was never used is malformed. Long texts of a long line
are shortened. A reply that is still too long ends its request with a refusal.
Source: https://www.jsonrpc.org/specification
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import attrs
import orjson

from ....contracts.values import JsonObject
from ..failures import ProviderFailure, failure_of
from ..json_lines import JsonLines, Malformed

__all__ = [
    "METHOD_NOT_FOUND",
    "Incoming",
    "JsonRpcProtocol",
    "Malformed",
    "Notification",
    "Refusal",
    "Reply",
    "Request",
    "RequestId",
    "Result",
]

METHOD_NOT_FOUND: Final = -32601

_MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_SHORTEN_OVER_BYTES: Final = 1024 * 1024
_VERSION: Final = rb'\s*"jsonrpc"\s*:\s*"2\.0"\s*'
_ID: Final = rb'\s*"id"\s*:\s*(\d{1,9})\s*'
_ANSWER: Final = rb'\s*"(?:result|error)"\s*:'
_REPLY_WITH_ID_FIRST: Final = re.compile(rb"\s*\{(?:" + _VERSION + rb",)?" + _ID + rb"," + _ANSWER)
_REPLY_WITH_ANSWER_FIRST: Final = re.compile(rb"\s*\{(?:" + _VERSION + rb",)?" + _ANSWER)
_ID_LAST: Final = re.compile(rb"," + _ID + rb"(?:," + _VERSION + rb")?\}\s*\Z")

RequestId: TypeAlias = int | str


@attrs.frozen(kw_only=True)
class Request:
    """A request of the other side, which waits for `respond` or `refuse` with this id."""

    id: RequestId
    method: str
    params: Any = None


@attrs.frozen(kw_only=True)
class Notification:
    method: str
    params: Any = None


@attrs.frozen(kw_only=True)
class Result:
    id: int
    value: Any = None


@attrs.frozen(kw_only=True)
class Refusal:
    """An error as the answer to a request."""

    id: int
    code: int
    message: str
    detail: Any = None

    @property
    def failure(self) -> ProviderFailure:
        return failure_of(self.message, code=self.code, data=self.detail)


Reply: TypeAlias = Result | Refusal
Incoming: TypeAlias = Request | Notification | Result | Refusal | Malformed


class JsonRpcProtocol:
    """One side of a connection, without its streams. `jsonrpc_member=False` leaves out `"jsonrpc": "2.0"`."""

    def __init__(
        self,
        *,
        jsonrpc_member: bool = True,
        max_line_bytes: int = _MAX_LINE_BYTES,
        max_malformed_in_a_row: int = 100,
    ) -> None:
        self._head: dict[str, Any] = {"jsonrpc": "2.0"} if jsonrpc_member else {}
        self._next_id = 0
        self._lines = JsonLines[Incoming](
            self._read,
            max_line_bytes=max_line_bytes,
            max_malformed_in_a_row=max_malformed_in_a_row,
            shorten_over_bytes=_SHORTEN_OVER_BYTES,
            skipped=self._refusal_of_skipped,
        )

    def request(self, method: str, params: Any) -> tuple[int, bytes]:
        """The id of a new request and its line."""
        request_id = self._next_id
        self._next_id += 1
        return request_id, self._line({"id": request_id, "method": method, "params": params})

    def notification(self, method: str, params: Any) -> bytes:
        return self._line({"method": method, "params": params})

    def result(self, request_id: RequestId, value: Any) -> bytes:
        return self._line({"id": request_id, "result": value})

    def refusal(self, request_id: RequestId, code: int, message: str) -> bytes:
        return self._line({"id": request_id, "error": {"code": code, "message": message}})

    def feed(self, chunk: bytes) -> Iterator[Incoming]:
        """As `JsonLines.feed`."""
        return self._lines.feed(chunk)

    @property
    def printed_first(self) -> str:
        """As `JsonLines.printed_first`."""
        return self._lines.printed_first

    def _line(self, message: dict[str, Any]) -> bytes:
        whole = self._head | message
        try:
            return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # the agent's own id or option, sent back unchanged: half a character, a long integer
            return json.dumps(whole).encode() + b"\n"

    def _refusal_of_skipped(self, head: bytes, tail: bytes, fault: str) -> Incoming | None:
        """The refusal that replaces a reply that is too long. Only the id of the message itself is used."""
        found = _REPLY_WITH_ID_FIRST.match(head)
        if found is None and _REPLY_WITH_ANSWER_FIRST.match(head):
            found = _ID_LAST.search(tail)
        identity = self._next_id if found is None else int(found[1])
        if identity >= self._next_id:
            return None
        return Refusal(id=identity, code=0, message=f"the reply is {fault}")

    def _read(self, message: JsonObject) -> Incoming:
        read = _parsed(message)
        if isinstance(read, Result | Refusal) and not 0 <= read.id < self._next_id:
            return Malformed(fault=f"a reply to id {read.id}, which was not requested")
        return read


def _parsed(message: JsonObject) -> Incoming:
    identity = message.get("id")
    method = message.get("method")
    if isinstance(method, str):
        if "id" not in message:
            return Notification(method=method, params=message.get("params"))
        if isinstance(identity, int | str) and not isinstance(identity, bool):
            return Request(id=identity, method=method, params=message.get("params"))
        return Malformed(fault="a request whose id is neither a number nor text")
    if not isinstance(identity, int) or isinstance(identity, bool):
        return Malformed(fault="neither a request nor a reply to one")
    match message.get("error"):
        case {"code": int(code), "message": str(text), **rest}:
            return Refusal(id=identity, code=code, message=text, detail=rest.get("data"))
        case None if "result" in message:
            return Result(id=identity, value=message["result"])
        case None:
            pass
        case error:  # malformed, but it answers a request, which would otherwise wait for its deadline
            return Refusal(id=identity, code=0, message="", detail=error)
    return Malformed(fault="a reply with neither a result nor an error")
