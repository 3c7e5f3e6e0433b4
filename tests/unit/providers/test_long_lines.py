"""Long lines of agents, given directly."""

from __future__ import annotations

import json
import tracemalloc
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.actors.providers.jsonrpc.protocol import Incoming, JsonRpcProtocol, Malformed, Notification, Refusal
from orchestrion.actors.providers.long_lines import LongLine

MIB = 1024 * 1024
CHUNK = 64 * 1024

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def fed(protocol: JsonRpcProtocol, line: bytes) -> list[Incoming]:
    chunks = [line[start : start + CHUNK] for start in range(0, len(line), CHUNK)]
    return [message for chunk in chunks for message in protocol.feed(chunk)]


def line_of(**message: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


@given(values, st.booleans(), st.integers(1, 7))
def test_a_line_with_short_texts_stays_as_it_is_however_it_arrives(value: Any, ascii_only: bool, step: int) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only).encode()
    line = LongLine(10**6)
    for start in range(0, len(whole), step):
        line.add(whole[start : start + step])
    assert line.shortened() == whole


@pytest.mark.lesson("L78")
@pytest.mark.parametrize("text", ["y", 'a"\\\n', "\u00e9\u20ac\U0001f600", "\x00"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_long_text_is_shortened_with_a_marker_of_the_missing_length(text: str, ascii_only: bool) -> None:
    long = text * (3 * MIB // len(text.encode()))
    whole = json.dumps({"method": "m", "params": [long, "after"]}, ensure_ascii=ascii_only).encode() + b"\n"
    (message,) = fed(JsonRpcProtocol(), whole)
    assert isinstance(message, Notification)
    kept, after = message.params
    start, _, cut = kept.partition("... [cut: ")
    assert long.startswith(start.removesuffix("\ud83d"))
    assert (len(start) + int(cut.split()[0]), cut.split()[1]) == (len(long), "characters]")
    assert (after, len(start.encode("utf-8", "replace")) > MIB // 8) == ("after", True)


@pytest.mark.spec("E89")
@pytest.mark.parametrize("opening", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("first", range(1, 100, 7))
def test_an_image_is_kept_whole_however_its_line_arrives(opening: str, first: int) -> None:
    image = opening + b64encode(b"\x89PNG\r\n\x1a\n" + bytes(2 * MIB)).decode()
    whole = json.dumps({"method": "m", "params": ["y" * (2 * MIB), image, "after"]}).encode()
    line = LongLine(4 * MIB)
    at = whole.index(image.encode()) - 50 + first
    for chunk in (whole[:at], whole[at:]):
        line.add(chunk)
    other, kept, after = json.loads(line.shortened())["params"]
    assert kept == image
    assert after == "after"
    assert "[cut: " in other


@pytest.mark.spec("E89")
def test_an_image_without_room_is_shortened_like_a_text() -> None:
    image = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(4 * MIB)).decode()
    line = LongLine(4 * MIB)
    line.add(json.dumps({"params": [image, "after"]}).encode())
    kept, after = json.loads(line.shortened())["params"]
    assert kept.endswith(" characters]")
    assert after == "after"


@pytest.mark.lesson("L78")
def test_a_line_of_25_mib_takes_a_few_mib_of_memory() -> None:
    chunk = b"y" * CHUNK
    line = LongLine(4 * MIB)
    tracemalloc.start()
    try:
        line.add(b'{"text":"')
        for _ in range(25 * MIB // CHUNK):
            line.add(chunk)
        line.add(b'"}')
        shortened = line.shortened()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shortened == b'{"text":"%s... [cut: %d characters]"}' % (b"y" * MIB, 24 * MIB)
    assert peak < 3 * MIB


@pytest.mark.lesson("L78")
@pytest.mark.parametrize("filling", [b"x" * 5 * MIB, b"[]," * MIB, b'"ab",' * MIB])
def test_a_line_of_too_many_parts_is_given_up(filling: bytes) -> None:
    given_up, after = fed(JsonRpcProtocol(), b'{"method":"m","params":[' + filling + b'1]}\n{"method":"next"}\n')
    assert isinstance(given_up, Malformed)
    assert "over the bound" in given_up.fault
    assert after == Notification(method="next")


@pytest.mark.lesson("L78")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"jsonrpc":"2.0","id":0,"result":[', b"1]}"),
        (b'{ "id": 0, "error": [', b"1]}"),
        (b'{"result":[', b'1],"id":0}'),
        (b'{"jsonrpc":"2.0","result":[', b'1],"id":0}'),
        (b'{"result":[', b'1], "id" : 0 , "jsonrpc": "2.0"}'),
    ],
)
def test_a_reply_over_the_bound_ends_its_request(before: bytes, after: bytes) -> None:
    protocol = JsonRpcProtocol()
    protocol.request("a", None)
    (reply,) = fed(protocol, before + b"1," * 3 * MIB + after + b"\n")
    assert isinstance(reply, Refusal)
    assert reply.id == 0
    assert "over the bound" in reply.message


@pytest.mark.lesson("L78")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"method":"m","params":{"id":0,"result":[', b"1]}}"),
        (b'{"method":"m","params":[', b'1],"id":0}'),
        (b'{"result":[', b'1,{"id":0}]}'),
        (b'{"result":{"of":[', b'1],"id":0}}'),
        (b'{"id":1,"result":[', b"1]}"),
    ],
)
def test_an_id_within_a_line_over_the_bound_ends_no_request(before: bytes, after: bytes) -> None:
    protocol = JsonRpcProtocol()
    protocol.request("a", None)
    (message,) = fed(protocol, before + b"1," * 3 * MIB + after + b"\n")
    assert isinstance(message, Malformed)


@pytest.mark.lesson("L78")
def test_a_message_with_too_many_entries_keeps_its_outer_ones() -> None:
    inner = [[number] * 100 for number in range(1000)]
    params = {"list": list(range(100_000)), "table": dict.fromkeys(map(str, range(100_000)), 0), "status": "completed"}
    (wide,) = fed(JsonRpcProtocol(), line_of(method="m", params=params))
    (deep,) = fed(JsonRpcProtocol(), line_of(method="m", params=[inner, "after"]))
    assert isinstance(wide, Notification)
    assert isinstance(deep, Notification)
    assert wide.params["status"] == "completed"
    assert wide.params["list"][-2:] == [32_761, "... [cut: 67238 items]"]
    assert wide.params["table"] == {"...": "[cut: 100000 fields]"}
    assert (len(deep.params[0]), deep.params[1]) == (1000, "after")
    assert deep.params[0][-1] == ["... [cut: 100 items]"]
