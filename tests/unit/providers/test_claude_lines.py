"""Long lines of Claude Code, given directly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrion.actors.providers.claude.lines import REFUSED, claude_lines, refusal
from orchestrion.actors.providers.json_lines import Malformed
from orchestrion.contracts.cut_markers import uncut

pytestmark = pytest.mark.lesson("L91")

MIB = 1024 * 1024
STEP = 50_000


def fed(line: bytes) -> list[Any]:
    lines = claude_lines()
    chunks = [line[start : start + STEP] for start in range(0, len(line), STEP)]
    return [message for chunk in (line[:3], line[3:STEP], *chunks[1:]) for message in lines.feed(chunk)]


def line_of(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def test_a_long_text_of_a_message_is_shortened() -> None:
    (message,) = fed(line_of({"type": "assistant", "message": {"content": [{"type": "text", "text": "x" * 25 * MIB}]}}))
    (block,) = message["message"]["content"]
    kept, cut = uncut(block["text"])
    assert (set(kept), len(kept) + cut) == ({"x"}, 25 * MIB)
    assert len(kept) <= MIB


@pytest.mark.parametrize("given", [{"content": "x" * 3 * MIB}, {"list": list(range(100_000))}])
@pytest.mark.parametrize("first", ["type", "request_id"])
def test_values_that_return_to_the_agent_are_kept_whole(given: Any, first: str) -> None:
    request = {"type": "control_request", "request_id": "r", "request": {"subtype": "can_use_tool", "input": given}}
    assert fed(line_of({first: request[first], **request})) == [request]


def test_a_request_beyond_the_bound_is_refused_in_its_place() -> None:
    request = {"type": "control_request", "request_id": "r", "request": {"input": {"content": "x" * 5 * MIB}}}
    (refused,) = fed(line_of(request))
    assert refused["type"] == REFUSED
    error = refused["answer"]["response"]["error"]
    assert refused["answer"] == refusal("r", error)
    assert "over the bound" in error


@pytest.mark.parametrize(
    "response",
    [{"subtype": "success", "request_id": "r", "response": ["x" * 5 * MIB]}, {"request_id": "r", "of": "x" * 5 * MIB}],
)
def test_an_answer_beyond_the_bound_fails_its_request(response: Any) -> None:
    (answer,) = fed(line_of({"type": "control_response", "response": response}))
    assert answer == refusal("r", answer["response"]["error"])


def test_a_result_beyond_the_bound_ends_its_turn() -> None:
    (result,) = fed(line_of({"type": "result", "subtype": "success", "usage": ["x" * 3] * MIB}))
    assert (result["type"], result["is_error"]) == ("result", True)


def test_any_other_line_beyond_the_bound_is_malformed() -> None:
    (message,) = fed(line_of({"type": "user", "content": list(range(MIB))}))
    assert isinstance(message, Malformed)
    (message,) = fed(line_of({"request_id": "r", "type": "control_request", "input": "x" * 5 * MIB}))
    assert isinstance(message, Malformed)
