"""A JSON-RPC peer: a connection over two byte streams that uses `JsonRpcProtocol`.

One task reads (`run`) and handles every message in the order of the bytes: the handler of one message ends before the
next message is taken, so a slow handler makes the other side wait. A reply without a waiting caller is dropped. Writes
may come from any task and are not interleaved. If a write is cut off, its line is broken, and every later write raises
`SessionLost`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream

from ....contracts.errors import ProviderProtocolError, SessionLost
from ...served_time import served_clock, served_deadline, served_scope
from ..json_lines import Malformed
from .protocol import (
    Incoming,
    JsonRpcProtocol,
    Notification,
    Refusal,
    Reply,
    Request,
    RequestId,
    Result,
)

__all__ = ["JsonRpcPeer", "PendingReply", "ReplyOverdue", "RequestRefused"]


class RequestRefused(ProviderProtocolError):
    """The other side answered a request with an error. `cause` is the text of its message and data."""

    def __init__(self, method: str, refusal: Refusal) -> None:
        failure = refusal.failure
        super().__init__(f"{method} was refused: {failure.text} ({refusal.code})", reason=failure.reason)
        self.method = method
        self.code = refusal.code
        self.cause = failure.text


class ReplyOverdue(ProviderProtocolError):
    """A request had no answer by its deadline. A later answer is dropped."""

    def __init__(self, method: str, deadline_seconds: float) -> None:
        super().__init__(f"{method} had no answer within {deadline_seconds:g} s", reason="unresponsive")
        self.method = method
        self.deadline_seconds = deadline_seconds


class PendingReply:
    """The reply to a request that was written, to be awaited by one or many tasks."""

    def __init__(self, request_id: int, method: str, on_reply: Callable[[Reply], Awaitable[None]] | None) -> None:
        self.id = request_id
        self.method = method
        self._on_reply = on_reply
        self._settled = anyio.Event()
        self._reply: Reply | None = None
        self._loss = ""

    async def value(self) -> Any:
        """The result of the request.

        Raises:
            RequestRefused: the other side answered with an error.
            SessionLost: the other side ended before it answered.
        """
        await self._settled.wait()
        match self._reply:
            case Result(value=value):
                return value
            case Refusal() as refusal:
                raise RequestRefused(self.method, refusal)
            case None:
                raise SessionLost(self._loss)

    async def _settle(self, reply: Reply) -> None:
        self._reply = reply
        try:
            if self._on_reply is not None:
                await self._on_reply(reply)
        finally:
            self._settled.set()

    def _lose(self, loss: str) -> None:
        self._loss = loss
        self._settled.set()


class JsonRpcPeer:
    """A connection over two byte streams. Its owner runs `run` in a task; any task may call the other methods."""

    def __init__(
        self,
        *,
        name: str,
        incoming: ByteReceiveStream,
        outgoing: ByteSendStream,
        handle: Callable[[Request | Notification | Malformed], Awaitable[None]],
        protocol: JsonRpcProtocol | None = None,
    ) -> None:
        self._name = name
        self._incoming = incoming
        self._outgoing = outgoing
        self._handle = handle
        self._protocol = protocol or JsonRpcProtocol()
        self._pending: dict[int, PendingReply] = {}
        self._writing = anyio.Lock()
        self._loss: str | None = None
        self.heard_at = anyio.current_time()
        """The event loop's time at which the other side's last bytes arrived."""
        self._clock = served_clock()
        self._heard_at = self._clock.now()

    async def run(self) -> None:
        """Read until the other side ends its output; then every pending reply is lost.

        Raises:
            ProviderProtocolError: too many lines in a row were not messages.
        """
        try:
            while True:
                try:
                    chunk = await self._incoming.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return
                self.heard_at, self._heard_at = anyio.current_time(), self._clock.now()
                for message in self._protocol.feed(chunk):
                    await self._dispatch(message)
        finally:
            self._loss = self._loss or f"{self._name} ended its output"
            while self._pending:
                self._pending.popitem()[1]._lose(self._loss)

    async def request(
        self, method: str, params: Any, *, deadline_seconds: float, longest_seconds: float | None = None
    ) -> Any:
        """Send a request and wait for its result.

        With `longest_seconds` the deadline counts silence: it starts again with every byte of the other side, which may
        take `longest_seconds` in total. Only time in which the event loop was served counts.

        Raises:
            RequestRefused: the other side answered with an error.
            ReplyOverdue: it did not answer within `deadline_seconds`.
            SessionLost: it is gone.
        """
        pending: PendingReply | None = None
        longest = deadline_seconds if longest_seconds is None else longest_seconds
        try:
            with served_deadline(longest):
                asked_at = self._clock.now()
                with served_deadline(deadline_seconds):
                    pending = await self.send_request(method, params)
                left = asked_at + deadline_seconds - self._clock.now()
                while left > 0:
                    with served_scope(left):
                        return await pending.value()
                    left = self._heard_at + deadline_seconds - self._clock.now()
            raise TimeoutError
        except TimeoutError:
            raise ReplyOverdue(method, deadline_seconds) from None
        finally:
            if pending is not None:
                self._pending.pop(pending.id, None)

    async def send_request(
        self, method: str, params: Any, *, on_reply: Callable[[Reply], Awaitable[None]] | None = None
    ) -> PendingReply:
        """Send a request, and return when it is written.

        `run` awaits `on_reply` in the reply's place among the messages; it is not called if the connection is lost
        before the reply.

        Raises:
            SessionLost: the other side is gone.
        """
        request_id, line = self._protocol.request(method, params)
        pending = self._pending[request_id] = PendingReply(request_id, method, on_reply)
        try:
            await self._write(line)
        except BaseException:
            self._pending.pop(request_id, None)
            raise
        return pending

    @property
    def printed_first(self) -> str:
        """The beginning of the other side's output before its first message."""
        return self._protocol.printed_first

    async def notify(self, method: str, params: Any) -> None:
        """Raises: SessionLost: the other side is gone."""
        await self._write(self._protocol.notification(method, params))

    async def respond(self, request_id: RequestId, value: Any) -> None:
        """Raises: SessionLost: the other side is gone."""
        await self._write(self._protocol.result(request_id, value))

    async def refuse(self, request_id: RequestId, code: int, message: str) -> None:
        """Raises: SessionLost: the other side is gone."""
        await self._write(self._protocol.refusal(request_id, code, message))

    async def _dispatch(self, message: Incoming) -> None:
        match message:
            case Result() | Refusal():
                pending = self._pending.pop(message.id, None)
                if pending is not None:
                    await pending._settle(message)
            case Request() | Notification() | Malformed():
                await self._handle(message)

    async def _write(self, line: bytes) -> None:
        async with self._writing:
            if self._loss is not None:
                raise SessionLost(self._loss)
            try:
                await self._outgoing.send(line)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                self._loss = f"{self._name} has closed its input"
                raise SessionLost(self._loss) from error
            except BaseException:
                self._loss = f"a message to {self._name} was cut off"
                raise
