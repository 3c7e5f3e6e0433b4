"""The lines of Claude Code's output: long ones are shortened while they arrive, except those that go back to it.

The SDK answers a request for permission with the tool's input from the request, and the agent uses that input. So the
messages of the control protocol are kept whole, or not at all. A control message or a turn's result that is too long is
replaced by a short message, so that what waits for it ends. The agent writes a message's `type` first; a line that
begins otherwise is kept whole.
"""

from __future__ import annotations

import re
from typing import Final

from ....contracts.values import JsonObject
from ..json_lines import JsonLines

__all__ = ["REFUSED", "claude_lines", "refusal"]

REFUSED: Final = "orchestrion.control_refused"
"""The type of the message that replaces a request of the agent that was too long; its `answer` is sent back."""

_MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_SHORTEN_OVER_BYTES: Final = 1024 * 1024
_NO_CONTROL: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"(?!control_)[a-z_]{1,40}"')
_REQUEST: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"control_request"\s*,\s*"request_id"\s*:\s*"([^"\\]{1,80})"')
_RESPONSE: Final = re.compile(
    rb'\s*\{\s*"type"\s*:\s*"control_response"\s*,\s*"response"\s*:\s*\{\s*(?:"subtype"\s*:\s*"[a-z]{1,20}"\s*,\s*)?'
    rb'"request_id"\s*:\s*"([^"\\]{1,80})"'
)
_RESULT: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"result"')


def claude_lines() -> JsonLines[JsonObject]:
    return JsonLines[JsonObject](
        lambda message: message,
        max_line_bytes=_MAX_LINE_BYTES,
        shorten_over_bytes=_SHORTEN_OVER_BYTES,
        shortens=lambda head: _NO_CONTROL.match(head) is not None,
        skipped=_replace_skipped,
    )


def refusal(request_id: str, error: str) -> JsonObject:
    """The answer to a control request that cannot be granted."""
    return {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request_id, "error": error},
    }


def _replace_skipped(head: bytes, _tail: bytes, fault: str) -> JsonObject | None:
    if found := _REQUEST.match(head):
        return {"type": REFUSED, "answer": refusal(_text(found[1]), f"the request is {fault}")}
    if found := _RESPONSE.match(head):
        return refusal(_text(found[1]), f"the answer is {fault}")
    if _RESULT.match(head):
        error = f"the turn's result is {fault}"
        return {"type": "result", "subtype": "error_during_execution", "is_error": True, "errors": [error]}
    return None


def _text(identity: bytes) -> str:
    return identity.decode("utf-8", "replace")
