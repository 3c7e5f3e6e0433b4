"""A scripted model behind the Anthropic Messages API: `POST /v1/messages`, streamed or whole, and `count_tokens`."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.support.fakes.model_core import Handler, Json

__all__ = ["AnthropicHandler"]


class AnthropicHandler(Handler):
    def handle_get(self) -> None:
        if "/v1/models" not in self.path:
            super().handle_get()
            return
        model = {"type": "model", "id": self.script.model, "display_name": self.script.model}
        self.send_json({"data": [model], "has_more": False, "first_id": model["id"], "last_id": model["id"]})

    def handle_other_post(self, body: Json) -> bool:
        if "count_tokens" in self.path:
            self.send_json({"input_tokens": 10})
            return True
        if "/v1/messages" not in self.path:
            error = {"type": "not_found_error", "message": self.path}
            self.send_json({"type": "error", "error": error}, 404)
            return True
        return False

    def reply(self, body: Json, events: list[Json]) -> None:
        answer = _Answer(self, body)
        for event in self.play(body, events):
            answer.add(event)
        answer.end()


class _Answer:
    """One message of the model, streamed block by block if the request asks for a stream, else whole."""

    def __init__(self, handler: AnthropicHandler, body: Json) -> None:
        self._handler = handler
        self._streams = bool(body.get("stream"))
        self._content: list[Json] = []
        self._text: Json | None = None
        self._stop = "end_turn"
        self._message: Json = {
            "id": _key("msg_"),
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 1},
        }
        if self._streams:
            handler.sse_start()
            self._tell("message_start", message=self._message)

    def add(self, event: Json) -> None:
        match event:
            case {"text": str(text)}:
                if self._text is None:
                    self._text = {"type": "text", "text": ""}
                    self._open(self._text, {"type": "text", "text": ""})
                self._text["text"] += text
                self._delta(type="text_delta", text=text)
            case {"reasoning": str(thought)}:
                self._block(
                    {"type": "thinking", "thinking": thought, "signature": "fake"},
                    {"type": "thinking", "thinking": "", "signature": ""},
                    {"type": "thinking_delta", "thinking": thought},
                    {"type": "signature_delta", "signature": "fake"},
                )
            case {"tool_call": {"name": str(name)} as call}:
                given = call.get("arguments", {})
                head = {"type": "tool_use", "id": call.get("id") or _key("toolu_"), "name": name}
                delta = {"type": "input_json_delta", "partial_json": json.dumps(given)}
                self._block({**head, "input": given}, {**head, "input": {}}, delta)
                self._stop = "tool_use"
            case _:
                raise AssertionError(f"the script has an event that this API has no word for: {event}")

    def end(self) -> None:
        self._close_text()
        if not self._streams:
            self._handler.send_json({**self._message, "content": self._content, "stop_reason": self._stop})
            return
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        self._tell("message_delta", delta=delta, usage={"output_tokens": 5})
        self._tell("message_stop")

    def _block(self, block: Json, head: Json, *deltas: Json) -> None:
        self._close_text()
        self._open(block, head)
        for delta in deltas:
            self._delta(**delta)
        self._close()

    def _open(self, block: Json, head: Json) -> None:
        self._content.append(block)
        self._tell("content_block_start", index=len(self._content) - 1, content_block=head)

    def _delta(self, **delta: Any) -> None:
        self._tell("content_block_delta", index=len(self._content) - 1, delta=delta)

    def _close(self) -> None:
        self._tell("content_block_stop", index=len(self._content) - 1)

    def _close_text(self) -> None:
        if self._text is not None:
            self._text = None
            self._close()

    def _tell(self, kind: str, **fields: Any) -> None:
        if self._streams:
            self._handler.sse({"type": kind, **fields}, event=kind)


def _key(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:24]
