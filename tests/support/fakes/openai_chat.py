"""OpenAI's Chat Completions API, streamed or whole, as far as agents use it. See `model_core`."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any, Final

from tests.support.fakes.model_core import Handler, Json

__all__ = ["ChatHandler"]

_USAGE: Final = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
_numbers = itertools.count(1)


class ChatHandler(Handler):
    def handle_get(self) -> None:
        if "/models" in self.path:
            self.send_json({"object": "list", "data": [{"id": self.script.model, "object": "model"}]})
        else:
            super().handle_get()

    def reply(self, body: Json, events: list[Json]) -> None:
        if "/chat/completions" in self.path:
            completion = _Completion(self, body)
            for event in self.play(body, events):
                completion.add(event)
            completion.end()
        else:
            self.send_json({"error": {"message": f"no such endpoint: {self.path}"}}, 404)


class _Completion:
    """One answer of the model, streamed chunk by chunk if the request asks for a stream, else whole."""

    def __init__(self, handler: ChatHandler, body: Json) -> None:
        self._handler = handler
        self._streams = bool(body.get("stream"))
        self._text = ""
        self._calls: list[Json] = []
        self._head: Json = {"id": _new_id("chatcmpl"), "created": int(time.time()), "model": body.get("model")}
        if self._streams:
            handler.sse_start()
            self._tell({"role": "assistant", "content": ""})

    def add(self, event: Json) -> None:
        match event:
            case {"text": str(text)}:
                self._text += text
                self._tell({"content": text})
            case {"reasoning": str(thought)}:
                self._tell({"reasoning_content": thought})
            case {"tool_call": {"name": str(name)} as call}:
                given = {"name": name, "arguments": json.dumps(call.get("arguments", {}))}
                called = {"id": call.get("id") or _new_id("call"), "type": "function", "function": given}
                self._tell({"tool_calls": [{"index": len(self._calls), **called}]})
                self._calls.append(called)
            case _:
                raise AssertionError(f"the script has an event that this API has no word for: {event}")

    def end(self) -> None:
        reason = "tool_calls" if self._calls else "stop"
        if self._streams:
            self._tell({}, finish_reason=reason)
            self._handler.sse({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
            self._handler.sse("[DONE]")
            return
        message: Json = {"role": "assistant", "content": self._text or None}
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": reason}
        self._handler.send_json({**self._head, "object": "chat.completion", "choices": [choice], "usage": _USAGE})

    def _tell(self, delta: Json, *, finish_reason: str | None = None) -> None:
        if self._streams:
            choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            self._handler.sse({**self._head, "object": "chat.completion.chunk", "choices": [choice]})


def _new_id(noun: str) -> str:
    return f"{noun}-{next(_numbers):024d}"
