"""JSON-RPC 2.0 over newline-delimited JSON as plain values: bytes become messages, messages bytes, without I/O.

The input may be cut anywhere. A line that is no message becomes a `Malformed` and is skipped, a line over the bound
without being kept; too many of them in a row, and the protocol is given up. Requests count their ids from 0, so a
reply to an id that was never given out is malformed. Source: https://www.jsonrpc.org/specification
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import attrs
import orjson

from ...runtime.contracts.errors import ProviderProtocolError

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

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_MAX_MALFORMED_IN_A_ROW: Final = 100
_EXCERPT_BYTES: Final = 200

RequestId: TypeAlias = int | str


@attrs.frozen(kw_only=True)
class Request:
    """The other side asks and waits for `respond` or `refuse` with this id."""

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
    """The error that answers a request."""

    id: int
    code: int
    message: str
    detail: Any = None


@attrs.frozen(kw_only=True)
class Malformed:
    """A line that is no message. `excerpt` is how it begins."""

    fault: str
    excerpt: str = ""


Reply: TypeAlias = Result | Refusal
Incoming: TypeAlias = Request | Notification | Result | Refusal | Malformed


class JsonRpcProtocol:
    """One side of a connection, without its bytes' way. `jsonrpc_member=False` leaves out `"jsonrpc": "2.0"`."""

    def __init__(
        self,
        *,
        jsonrpc_member: bool = True,
        max_line_bytes: int = _MAX_LINE_BYTES,
        max_malformed_in_a_row: int = _MAX_MALFORMED_IN_A_ROW,
    ) -> None:
        self._head: dict[str, Any] = {"jsonrpc": "2.0"} if jsonrpc_member else {}
        self._max_line_bytes = max_line_bytes
        self._max_malformed = max_malformed_in_a_row
        self._malformed_in_a_row = 0
        self._next_id = 0
        self._parts: list[bytes] = []
        self._length = 0

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
        """The messages that `chunk` completes, in order. Exhaust one iterator before feeding again.

        Raises:
            ProviderProtocolError: too many lines in a row were no messages; those before are yielded first.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            message = self._take()
            if message is None:
                continue
            yield message
            self._malformed_in_a_row = self._malformed_in_a_row + 1 if isinstance(message, Malformed) else 0
            if self._malformed_in_a_row >= self._max_malformed:
                raise ProviderProtocolError(
                    f"{self._max_malformed} lines in a row were no JSON-RPC messages; check the agent's command"
                )
        self._keep(rest)

    def _line(self, message: dict[str, Any]) -> bytes:
        return orjson.dumps(self._head | message, option=orjson.OPT_APPEND_NEWLINE)

    def _keep(self, part: bytes) -> None:
        self._length += len(part)
        if self._length > self._max_line_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> Incoming | None:
        line, length = b"".join(self._parts).strip(), self._length
        self._parts.clear()
        self._length = 0
        if length > self._max_line_bytes:
            return Malformed(fault=f"a line of {length} bytes, over the bound of {self._max_line_bytes}")
        if not line:
            return None
        message = _parsed(line)
        if isinstance(message, Result | Refusal) and not 0 <= message.id < self._next_id:
            return _malformed(f"a reply to id {message.id}, which no request has", line)
        return message


def _parsed(line: bytes) -> Incoming:
    try:
        message = _json(line)
    except (ValueError, RecursionError) as error:
        return _malformed(f"no JSON: {error}", line)
    if not isinstance(message, dict):
        return _malformed("no JSON object", line)
    identity = message.get("id")
    method = message.get("method")
    if isinstance(method, str):
        if "id" not in message:
            return Notification(method=method, params=message.get("params"))
        if isinstance(identity, int | str) and not isinstance(identity, bool):
            return Request(id=identity, method=method, params=message.get("params"))
        return _malformed("a request whose id is neither a number nor text", line)
    if not isinstance(identity, int) or isinstance(identity, bool):
        return _malformed("neither a request nor a reply to one", line)
    match message.get("error"):
        case {"code": int(code), "message": str(text), **rest}:
            return Refusal(id=identity, code=code, message=text, detail=rest.get("data"))
        case None if "result" in message:
            return Result(id=identity, value=message["result"])
    return _malformed("a reply with neither a result nor an error", line)


def _json(line: bytes) -> Any:
    """Agents that cut text by UTF-16 units send halves of surrogate pairs, which become question marks."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        lenient = json.loads(line.decode("utf-8", "replace"))
        return orjson.loads(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))


def _malformed(fault: str, line: bytes) -> Malformed:
    return Malformed(fault=fault, excerpt=line[:_EXCERPT_BYTES].decode("utf-8", "replace"))
