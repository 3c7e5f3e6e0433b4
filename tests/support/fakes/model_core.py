"""A scripted model on loopback, independent of an API: which answer to give, and the HTTP server around it.

A script is rules, tried in order, each as often as it matches; then turns, each used once; then a default. A rule or
turn is `{"when": {...}, "events": [...]}`. `when` names conditions that must all hold: `contains` and `not_contains`
(anywhere in the request's body), `last_user_contains`, `path_contains`, `has_tools`, `model_contains`. Agents make side
requests at any time and merge unanswered prompts into one message: match by content, the newest rule first
(`Script.prepend`).

Events: `{"text"}`, `{"reasoning"}`, `{"tool_call": {name, arguments, id?}}`, `{"custom_tool_call": {name, input}}`,
`{"history": true}` (text: the user messages of the request), `{"images": true}` (text: how many images the last of
them has), `{"model": true}` (text: the model of the request), `{"delay": seconds}`, `{"hang": seconds}` (the stream
stays open and silent), `{"drop": true}` (the connection is cut), `{"garbage": text}` (bytes of no protocol),
`{"http_error": {status, body, headers?}}` (in place of a stream).
"""

from __future__ import annotations

import gzip
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, TypeAlias

__all__ = ["ClientGone", "FakeModel", "Handler", "Json", "Script", "last_user_text", "serving", "user_texts"]

Json: TypeAlias = dict[str, Any]

_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})


class ClientGone(Exception):
    """The agent closed the connection, or the script cut it."""


class Script:
    """The answers of the model, and the requests that it received. For any thread."""

    def __init__(self, script: Json | None = None) -> None:
        script = script or {}
        self._lock = threading.Lock()
        self.model: str = script.get("model", "fake-model")
        self._rules: list[Json] = list(script.get("rules", []))
        self._turns: list[Json] = list(script.get("turns", []))
        self._default: list[Json] = script.get("default", [{"text": "done"}])
        self._requests: list[Json] = []

    def prepend(self, when: Json, events: list[Json]) -> None:
        """Add a rule that is tried before all others."""
        with self._lock:
            self._rules.insert(0, {"when": when, "events": events})

    def prepend_once(self, when: Json, events: list[Json]) -> None:
        """Add a rule that is tried before all others and used once."""
        with self._lock:
            self._rules.insert(0, {"when": when, "events": events, "once": True})

    def pick(self, path: str, body: Json) -> list[Json]:
        with self._lock:
            for rule in self._rules:
                if _fits(rule.get("when", {}), path, body):
                    if rule.get("once"):
                        self._rules.remove(rule)
                    return list(rule["events"])
            for turn in self._turns:
                if _fits(turn.get("when", {}), path, body):
                    self._turns.remove(turn)
                    return list(turn["events"])
            return self._default

    def record(self, path: str, body: Json, headers: Json) -> None:
        with self._lock:
            self._requests.append({"path": path, "body": body, "headers": headers})

    def requests(self) -> list[Json]:
        """The model requests so far: `path`, `body`, and `headers` without secrets."""
        with self._lock:
            return list(self._requests)


class Handler(BaseHTTPRequestHandler):
    """HTTP for one API: a subclass writes answers in its format (`reply`)."""

    protocol_version = "HTTP/1.1"
    script: ClassVar[Script]

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.handle_get()

    def do_POST(self) -> None:
        body = self._body()
        if self.handle_other_post(body):
            return
        events = self.script.pick(self.path, body)
        headers = {key.lower(): value for key, value in self.headers.items() if key.lower() not in _SECRET_HEADERS}
        self.script.record(self.path, body, headers)
        error = next((event["http_error"] for event in events if "http_error" in event), None)
        if error is not None:
            self.send_json(error["body"], error["status"], error.get("headers"))
            return
        try:
            self.reply(body, events)
        except (ClientGone, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def handle_get(self) -> None:
        self.send_json({"error": {"message": "not found"}}, 404)

    def handle_other_post(self, body: Json) -> bool:
        """Answer a request that is not for the model; True if it was one."""
        del body
        return False

    def reply(self, body: Json, events: list[Json]) -> None:
        raise NotImplementedError

    def play(self, body: Json, events: Iterable[Json]) -> Iterator[Json]:
        """Perform delays and faults; yield the events with content."""
        for event in events:
            match event:
                case {"delay": seconds} | {"hang": seconds}:
                    self._pause(seconds)
                case {"drop": True}:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    raise ClientGone
                case {"garbage": str(text)}:
                    self.wfile.write(text.encode())
                    self.wfile.flush()
                case {"images": True}:
                    yield {"text": f"images: {count_images(last_user_item(body))}"}
                case {"history": True}:
                    yield {"text": " | ".join(user_texts(body))}
                case {"model": True}:
                    yield {"text": str(body["model"])}
                case _:
                    yield event

    def sse_start(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-cache")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def sse(self, value: Any, event: str | None = None) -> None:
        head = "" if event is None else f"event: {event}\n"
        text = value if isinstance(value, str) else json.dumps(value)
        self.wfile.write(f"{head}data: {text}\n\n".encode())
        self.wfile.flush()

    def send_json(self, value: Any, status: int = 200, headers: Json | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for key, text in (headers or {}).items():
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> Json:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            raw = b"".join(self._chunks())
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _pause(self, seconds: float) -> None:
        """Wait, unless the agent closes the connection."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise ClientGone
            if readable:
                time.sleep(min(left, 0.05))


class FakeModel:
    """A running model server."""

    def __init__(self, script: Script, port: int) -> None:
        self.script = script
        self.base_url = f"http://127.0.0.1:{port}"


@contextmanager
def serving(handler: type[Handler], script: Json | None = None) -> Iterator[FakeModel]:
    """Serve `script` on a port of loopback while the block runs."""
    played = Script(script)
    bound = type("BoundHandler", (handler,), {"script": played})
    server = _Server(("127.0.0.1", 0), bound)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield FakeModel(played, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that a killed agent left broken."""
        with suppress(OSError):
            request.close()


def user_texts(body: Json) -> list[str]:
    """The user messages of a request, of Responses (`input`), Chat and Messages (`messages`), Gemini (`contents`)."""
    content = body.get("input") or body.get("messages") or body.get("contents") or []
    if isinstance(content, str):
        return [content]
    return [
        _text_of(item.get("content", item.get("parts")))
        for item in content
        if isinstance(item, dict) and item.get("role") == "user"
    ]


def last_user_item(body: Json) -> Any:
    """The last message of a user, as the request has it."""
    items = body.get("input") or body.get("messages") or []
    return next((one for one in reversed(items) if isinstance(one, dict) and one.get("role") == "user"), None)


def count_images(value: Any) -> int:
    """How many images a message has, in the words of any API."""
    match value:
        case {"type": "image" | "input_image" | "image_url"}:
            return 1
        case dict():
            return sum(map(count_images, value.values()))
        case list():
            return sum(map(count_images, value))
        case _:
            return 0


def last_user_text(body: Json) -> str:
    return (user_texts(body) or [""])[-1]


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") or part.get("content") if isinstance(part, dict) else part for part in content]
        return "\n".join(_text_of(part) for part in parts)
    return ""


_CONDITIONS: dict[str, Callable[[Any, str, Json], bool]] = {
    "contains": lambda text, _path, body: text in json.dumps(body, ensure_ascii=False),
    "not_contains": lambda text, _path, body: text not in json.dumps(body, ensure_ascii=False),
    "last_user_contains": lambda text, _path, body: text in last_user_text(body),
    "path_contains": lambda text, path, _body: text in path,
    "has_tools": lambda wanted, _path, body: bool(body.get("tools")) == wanted,
    "model_contains": lambda text, path, body: text in f"{body.get('model', '')}{path}",
}


def _fits(when: Json, path: str, body: Json) -> bool:
    return all(_CONDITIONS[name](wanted, path, body) for name, wanted in when.items())
