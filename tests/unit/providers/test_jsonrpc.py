"""The JSON-RPC protocol given messages directly, and the peer over real pipes."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
import pytest

from orchestrion.actors.pipes import PipeReceiveStream, PipeSendStream
from orchestrion.actors.providers.json_lines import Malformed
from orchestrion.actors.providers.jsonrpc.peer import JsonRpcPeer, ReplyOverdue, RequestRefused
from orchestrion.actors.providers.jsonrpc.protocol import (
    Incoming,
    JsonRpcProtocol,
    Notification,
    Refusal,
    Reply,
    Request,
    Result,
)
from orchestrion.contracts.errors import ProviderProtocolError, SessionLost

SAFETY_NET_SECONDS = 180


def fed(protocol: JsonRpcProtocol, *chunks: bytes) -> list[Incoming]:
    return [message for chunk in chunks for message in protocol.feed(chunk)]


class TestProtocol:
    lines = (
        b'{"jsonrpc":"2.0","method":"update","params":{"text":"\xc3\xa4"}}\n'
        b"\n"
        b'{"jsonrpc":"2.0","id":"q","method":"ask"}\r\n'
        b'{"id":0,"result":{"ok":true}}\n'
        b'{"id":1,"error":{"code":-32000,"message":"no","data":[1]}}\n'
    )
    messages = (
        Notification(method="update", params={"text": "ä"}),
        Request(id="q", method="ask"),
        Result(id=0, value={"ok": True}),
        Refusal(id=1, code=-32000, message="no", detail=[1]),
    )

    @pytest.mark.parametrize("cut", range(len(lines) + 1))
    def test_input_may_be_cut_anywhere(self, cut: int) -> None:
        protocol = JsonRpcProtocol()
        protocol.request("a", None)
        protocol.request("b", None)
        assert tuple(fed(protocol, self.lines[:cut], self.lines[cut:])) == self.messages

    def test_input_may_arrive_byte_by_byte(self) -> None:
        protocol = JsonRpcProtocol()
        protocol.request("a", None)
        protocol.request("b", None)
        assert tuple(fed(protocol, *(bytes([byte]) for byte in self.lines))) == self.messages

    def test_a_line_over_the_bound_is_reported_and_skipped(self) -> None:
        protocol = JsonRpcProtocol(max_line_bytes=30)
        messages = fed(protocol, b"x" * 20, b"y" * 20, b'"\n{"method":"next"}\n')
        assert messages == [
            Malformed(fault="a line of 41 bytes, over the bound of 30"),
            Notification(method="next"),
        ]

    def test_a_line_at_the_bound_is_taken(self) -> None:
        line = b'{"method":"next"}'
        assert fed(JsonRpcProtocol(max_line_bytes=len(line)), line + b"\n") == [Notification(method="next")]

    @pytest.mark.parametrize(
        ("error", "failure"),
        [
            ('"disk on fire"', "disk on fire"),
            ('{"message":"disk on fire"}', "disk on fire"),
            ('{"code":"E1","message":"disk on fire"}', "disk on fire"),
            ('{"code":-1,"message":null,"data":{"details":"disk on fire"}}', "disk on fire"),
            ("7", "7"),
        ],
    )
    def test_an_error_of_no_proper_form_still_answers_its_request(self, error: str, failure: str) -> None:
        protocol = JsonRpcProtocol()
        protocol.request("a", None)
        (refusal,) = fed(protocol, f'{{"id":0,"error":{error}}}\n'.encode())
        assert isinstance(refusal, Refusal)
        assert refusal.failure.text == failure

    @pytest.mark.parametrize(
        "line",
        [
            b"starting up",
            b"[]",
            b"7",
            b"{}",
            b'{"id":null,"error":{"code":1,"message":"?"}}',
            b'{"id":true,"result":1}',
            b'{"id":{},"method":"ask"}',
            b'{"id":0}',
            b'{"id":7,"result":1}',
            b"\xff\xfe",
            b"[" * 100_000,
        ],
    )
    def test_a_line_that_is_no_message_is_malformed(self, line: bytes) -> None:
        protocol = JsonRpcProtocol()
        protocol.request("a", None)
        first, second = fed(protocol, line + b'\n{"method":"next"}\n')
        assert isinstance(first, Malformed)
        assert second == Notification(method="next")

    def test_too_many_malformed_lines_in_a_row_end_the_protocol(self) -> None:
        protocol = JsonRpcProtocol(max_malformed_in_a_row=3)
        messages = protocol.feed(b'?\n?\n{"method":"next"}\n?\n?\n?\n{"method":"never"}\n')
        taken = [isinstance(next(messages), Malformed) for _ in range(6)]
        assert taken == [True, True, False, True, True, True]
        with pytest.raises(ProviderProtocolError, match="3 lines in a row"):
            next(messages)

    def test_message_between_malformed_lines_resets_the_count(self) -> None:
        protocol = JsonRpcProtocol(max_malformed_in_a_row=2)
        messages = fed(protocol, b'?\n{"method":"next"}\n' * 5)
        assert [isinstance(message, Malformed) for message in messages] == [True, False] * 5

    def test_half_of_a_surrogate_pair_is_given_back_as_it_came(self) -> None:
        line = b'{"method":"update","params":"a\\ud83d"}\n'
        assert fed(JsonRpcProtocol(), line) == [Notification(method="update", params="a\ud83d")]
        assert b'"a\\ud83d"' in JsonRpcProtocol().result("a\ud83d", {})

    @pytest.mark.parametrize("member", [True, False])
    def test_the_jsonrpc_member_is_an_option(self, member: bool) -> None:
        protocol = JsonRpcProtocol(jsonrpc_member=member)
        written = [
            protocol.request("ask", {"a": 1})[1],
            protocol.notification("tell", None),
            protocol.result("q", {}),
            protocol.refusal(3, -32601, "no"),
        ]
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
        assert [orjson.loads(line).get("jsonrpc") for line in written] == ["2.0" if member else None] * 4


class OtherSide:
    """The far end of a peer's pipes, driven by the test."""

    def __init__(self, incoming: PipeReceiveStream, outgoing: PipeSendStream) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._rest = b""

    async def read(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            self._rest += await self._incoming.receive()
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = orjson.loads(line)
        return message

    async def write(self, *messages: dict[str, Any]) -> None:
        await self.write_bytes(b"".join(orjson.dumps(message) + b"\n" for message in messages))

    async def write_bytes(self, chunk: bytes) -> None:
        await self._outgoing.send(chunk)

    def end(self) -> None:
        self._outgoing.close()

    def stop_reading(self) -> None:
        self._incoming.close()


def block(seconds: float) -> None:
    """Block the event loop, which a host must not do."""
    time.sleep(seconds)


class Connected:
    def __init__(self, peer: JsonRpcPeer, other: OtherSide, handled: list[object]) -> None:
        self.peer = peer
        self.other = other
        self.handled = handled


@asynccontextmanager
async def connected() -> AsyncIterator[Connected]:
    here, there = os.pipe(), os.pipe()
    pipes = (
        PipeReceiveStream(os.fdopen(here[0], "rb", 0)),
        PipeSendStream(os.fdopen(here[1], "wb", 0)),
        PipeReceiveStream(os.fdopen(there[0], "rb", 0)),
        PipeSendStream(os.fdopen(there[1], "wb", 0)),
    )
    handled: list[object] = []

    async def handle(message: Request | Notification | Malformed) -> None:
        handled.append(message)

    peer = JsonRpcPeer(name="agent", incoming=pipes[0], outgoing=pipes[3], handle=handle)
    try:
        with anyio.fail_after(SAFETY_NET_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(peer.run)
                yield Connected(peer, OtherSide(pipes[2], pipes[1]), handled)
                tasks.cancel_scope.cancel()
    finally:
        for pipe in pipes:
            pipe.close()


@pytest.mark.anyio
class TestPeer:
    async def test_a_request_gets_its_result(self) -> None:
        async with connected() as end, anyio.create_task_group() as tasks:

            async def answer() -> None:
                request = await end.other.read()
                assert (request["method"], request["params"]) == ("ask", {"n": 1})
                await end.other.write({"id": request["id"], "result": 42})

            tasks.start_soon(answer)
            assert await end.peer.request("ask", {"n": 1}, deadline_seconds=SAFETY_NET_SECONDS) == 42

    async def test_replies_may_come_in_another_order(self) -> None:
        async with connected() as end:
            first = await end.peer.send_request("first", None)
            second = await end.peer.send_request("second", None)
            asked = [await end.other.read() for _ in range(2)]
            await end.other.write(*({"id": one["id"], "result": one["method"]} for one in reversed(asked)))
            assert (await first.value(), await second.value()) == ("first", "second")

    async def test_a_refusal_raises_with_its_code(self) -> None:
        async with connected() as end:
            pending = await end.peer.send_request("ask", None)
            request_id = (await end.other.read())["id"]
            await end.other.write({"id": request_id, "error": {"code": -5, "message": "no such thing"}})
            with pytest.raises(RequestRefused, match="no such thing") as caught:
                await pending.value()
            assert (caught.value.method, caught.value.code) == ("ask", -5)

    async def test_a_late_reply_is_dropped(self) -> None:
        async with connected() as end:
            with pytest.raises(ReplyOverdue, match="ask had no answer"):
                await end.peer.request("ask", None, deadline_seconds=0.01)
            pending = await end.peer.send_request("again", None)
            await end.other.write({"id": 0, "result": "late"}, {"id": 1, "result": "right"})
            assert await pending.value() == "right"
            assert end.handled == []

    @pytest.mark.lesson("L81")
    @pytest.mark.parametrize("longest", [None, 2.0])
    async def test_blocked_host_does_not_make_a_reply_overdue(self, longest: float | None) -> None:
        async with connected() as end, anyio.create_task_group() as tasks:

            async def answer() -> None:
                asked = await end.other.read()
                block(2.5)
                await end.other.write({"id": asked["id"], "result": 42})

            tasks.start_soon(answer)
            assert await end.peer.request("ask", None, deadline_seconds=1.0, longest_seconds=longest) == 42

    async def test_a_reply_is_taken_in_its_place_among_the_messages(self) -> None:
        async with connected() as end:

            async def note(reply: Reply) -> None:
                end.handled.append(reply)

            pending = await end.peer.send_request("ask", None, on_reply=note)
            await end.other.write(
                {"method": "before"}, {"id": pending.id, "result": None}, {"method": "after"}, {"id": 9, "method": "q"}
            )
            await pending.value()
            end.other.end()
            with pytest.raises(SessionLost):
                await end.peer.request("more", None, deadline_seconds=SAFETY_NET_SECONDS)
            assert end.handled == [
                Notification(method="before"),
                Result(id=pending.id),
                Notification(method="after"),
                Request(id=9, method="q"),
            ]

    async def test_answers_and_notifications_are_written(self) -> None:
        async with connected() as end:
            await end.peer.respond("q", {"a": 1})
            await end.peer.refuse(3, -32601, "not offered")
            await end.peer.notify("tell", {"b": 2})
            assert [await end.other.read() for _ in range(3)] == [
                {"jsonrpc": "2.0", "id": "q", "result": {"a": 1}},
                {"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": "not offered"}},
                {"jsonrpc": "2.0", "method": "tell", "params": {"b": 2}},
            ]

    async def test_a_death_in_mid_line_loses_every_pending_reply(self) -> None:
        async with connected() as end:
            pending = [await end.peer.send_request("ask", None) for _ in range(3)]
            await end.other.write_bytes(b'{"id":0,"res')
            end.other.end()
            for reply in pending:
                with pytest.raises(SessionLost, match="agent ended its output"):
                    await reply.value()
            with pytest.raises(SessionLost):
                await end.peer.notify("tell", None)

    async def test_a_request_to_a_closed_pipe_is_lost(self) -> None:
        async with connected() as end:
            end.other.stop_reading()
            with pytest.raises(SessionLost, match="has closed its input"):
                await end.peer.send_request("ask", None)

    async def test_after_a_write_that_was_cut_off_nothing_is_written(self) -> None:
        async with connected() as end:
            with anyio.move_on_after(0.01) as scope:
                await end.peer.notify("flood", "x" * 4_000_000)
            assert scope.cancelled_caught
            with pytest.raises(SessionLost, match="cut off"):
                await end.peer.notify("tell", None)

    async def test_messages_of_concurrent_writers_never_mix(self) -> None:
        texts = {f"{number}" * 100_000 for number in range(5)}
        async with connected() as end, anyio.create_task_group() as tasks:
            for text in texts:
                tasks.start_soon(end.peer.notify, "tell", text)
            assert {(await end.other.read())["params"] for _ in texts} == texts
