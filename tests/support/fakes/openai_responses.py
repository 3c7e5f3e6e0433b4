"""OpenAI's Responses API with streaming, as far as Codex uses it. See `model_core` for the script."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from tests.support.fakes.model_core import Handler, Json

__all__ = ["ResponsesHandler"]

_USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}
_numbers = itertools.count(1)


class ResponsesHandler(Handler):
    def handle_get(self) -> None:
        if "/models" in self.path:
            self.send_json({"object": "list", "data": [{"id": self.script.model, "object": "model"}]})
        else:
            super().handle_get()

    def reply(self, body: Json, events: list[Json]) -> None:
        if self.path.partition("?")[0].rstrip("/").endswith("/responses"):
            self.sse_start()
            _Response(self, body).stream(events)
        else:
            self.send_json({"error": {"message": f"no such endpoint: {self.path}"}}, 404)


class _Response:
    """One streamed response: its output items, one after the other."""

    def __init__(self, handler: ResponsesHandler, body: Json) -> None:
        self._handler = handler
        self._body = body
        self._sequence = itertools.count(1)
        self._output: list[Json] = []
        self._message: Json | None = None

    def stream(self, events: list[Json]) -> None:
        base: Json = {
            "id": _new_id("resp"),
            "object": "response",
            "created_at": int(time.time()),
            "model": self._body.get("model"),
            "status": "in_progress",
            "output": [],
        }
        self._send("response.created", response=base)
        for event in self._handler.play(self._body, events):
            match event:
                case {"text": str(text)}:
                    self._say(text)
                case {"reasoning": str(text)}:
                    self._think(text)
                case {"tool_call": call}:
                    arguments = json.dumps(call.get("arguments", {}))
                    self._call(call, "function_call", "arguments", arguments)
                case {"custom_tool_call": call}:
                    self._call(call, "custom_tool_call", "input", call["input"])
        self._end_message()
        done = base | {"status": "completed", "output": self._output, "usage": _USAGE}
        self._send("response.completed", response=done)

    def _say(self, text: str) -> None:
        if self._message is None:
            self._message = {"type": "message", "id": _new_id("msg"), "role": "assistant", "status": "in_progress"}
            self._add({**self._message, "content": []})
            self._message["content"] = [{"type": "output_text", "text": "", "annotations": []}]
        part = self._message["content"][0]
        part["text"] += text
        self._send(
            "response.output_text.delta",
            item_id=self._message["id"],
            output_index=len(self._output),
            content_index=0,
            delta=text,
        )

    def _end_message(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            self._done({**message, "status": "completed"})

    def _think(self, text: str) -> None:
        self._end_message()
        item: Json = {"type": "reasoning", "id": _new_id("rs"), "summary": [], "encrypted_content": None}
        self._add(item)
        where = {"item_id": item["id"], "output_index": len(self._output), "summary_index": 0}
        self._send("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
        self._send("response.reasoning_summary_text.delta", **where, delta=text)
        self._done({**item, "summary": [{"type": "summary_text", "text": text}]})

    def _call(self, call: Json, kind: str, field: str, value: str) -> None:
        self._end_message()
        item = {"type": kind, "id": _new_id("item"), "call_id": call.get("id") or _new_id("call"), "name": call["name"]}
        item |= {"namespace": call["namespace"]} if "namespace" in call else {}
        self._add({**item, field: ""})
        self._done({**item, field: value, "status": "completed"})

    def _add(self, item: Json) -> None:
        self._send("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: Json) -> None:
        self._send("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    def _send(self, kind: str, **fields: Any) -> None:
        self._handler.sse({"type": kind, "sequence_number": next(self._sequence), **fields}, event=kind)


def _new_id(noun: str) -> str:
    return f"{noun}_{next(_numbers):024d}"
