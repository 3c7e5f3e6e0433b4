"""Google's Gemini API, streamed or whole, as much of it as agents ask for. See `model_core`."""

from __future__ import annotations

import itertools
from typing import Final

from tests.support.fakes.model_core import Handler, Json

__all__ = ["GeminiHandler"]

_USAGE: Final = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
_numbers = itertools.count(1)


class GeminiHandler(Handler):
    def handle_other_post(self, body: Json) -> bool:
        if ":countTokens" in self.path:
            self.send_json({"totalTokens": 10})
            return True
        if "enerateContent" not in self.path:
            self.send_json({"error": {"code": 404, "message": f"no such endpoint: {self.path}"}}, 404)
            return True
        return False

    def reply(self, body: Json, events: list[Json]) -> None:
        streams = ":streamGenerateContent" in self.path
        head = {"modelVersion": self.path.split("models/")[-1].split(":")[0], "responseId": f"r{next(_numbers)}"}
        parts: list[Json] = []
        if streams:
            self.sse_start()
        for event in self.play(body, events):
            parts.append(_part(event))
            if streams:
                self.sse({**head, **_candidate(parts[-1:])})
        if streams:
            self.sse({**head, **_candidate([{"text": ""}], finish="STOP")})
        else:
            self.send_json({**head, **_candidate(parts, finish="STOP")})


def _part(event: Json) -> Json:
    match event:
        case {"text": str(text)}:
            return {"text": text}
        case {"reasoning": str(thought)}:
            return {"text": thought, "thought": True}
        case {"tool_call": {"name": str(name)} as call}:
            called: Json = {"name": name, "args": call.get("arguments", {})}
            return {"functionCall": {**called, "id": call["id"]} if call.get("id") else called}
        case _:
            raise AssertionError(f"the script has an event that this API has no word for: {event}")


def _candidate(parts: list[Json], *, finish: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": _USAGE}
