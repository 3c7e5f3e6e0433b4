"""Errors of agents: the text with its data, bounded, and a reason where the agent gives one."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.failures import failure_of


@pytest.mark.parametrize(
    ("message", "code", "data", "text", "reason"),
    [
        ("Internal error", -32603, None, "Internal error", None),
        ("Internal error", -32603, "disk on fire", "Internal error: disk on fire", None),
        ("Internal error", -32603, {"details": "Run `x model`."}, "Internal error: Run `x model`.", None),
        ("disk on fire", -32603, {"message": "fire"}, "disk on fire", None),
        ("fire", -32603, {"message": "disk on fire"}, "disk on fire", None),
        ("Internal error", -32603, {"error": {"message": "no", "code": 429}}, "Internal error: no", "rate_limited"),
        ("Internal error", -32603, {"error": {"error": {"message": "deep"}}}, "Internal error: deep", None),
        ("Internal error", -32603, {"shard": 7}, 'Internal error: {"shard":7}', None),
        ("", -32603, None, "no reason given", None),
        ("no", 429, None, "no", "rate_limited"),
        ("429: quota exceeded", -32603, None, "429: quota exceeded", "rate_limited"),
        ("no", -32603, {"type": "rate_limit_error"}, 'no: {"type":"rate_limit_error"}', "rate_limited"),
        ("429 tests failed", -32603, None, "429 tests failed", None),
        ("ran 429 tests", -32603, None, "ran 429 tests", None),
        ("Authentication required", -32000, None, "Authentication required", "unauthenticated"),
        ("no", -32000, None, "no", "unauthenticated"),
        ("no", -32000, "HTTP 429", "no: HTTP 429", "rate_limited"),
        ("Invalid API key", -32603, None, "Invalid API key", "unauthenticated"),
        ("no", -32603, {"status": "401"}, 'no: {"status":"401"}', "unauthenticated"),
        ("The model `x` does not exist", -32603, None, "The model `x` does not exist", "model_unavailable"),
        ("prompt is too long: 9 > 8", -32603, None, "prompt is too long: 9 > 8", "context_full"),
        ("oh", -32603, {"code": "context_length_exceeded"}, 'oh: {"code":"context_length_exceeded"}', "context_full"),
        ("Resource not found: session", -32002, None, "Resource not found: session", None),
    ],
)
def test_error_has_message_data_and_reason(message: str, code: int, data: Any, text: str, reason: str | None) -> None:
    failure = failure_of(message, code=code, data=data)
    assert (failure.text, failure.reason) == (text, reason)


def test_error_text_is_bounded_in_every_part() -> None:
    nested: Any = "x" * 10_000_000
    for _ in range(50):
        nested = {"error": nested}
    for failure in (
        failure_of("y" * 10_000_000),
        failure_of("short", data="é" * 10_000_000),
        failure_of("short", data={str(n): n for n in range(100_000)}),
        failure_of("short", data=nested),
    ):
        assert len(failure.text.encode()) < 5_000


def test_error_text_has_no_terminal_codes_and_no_secrets() -> None:
    failure = failure_of("\x1b[31mno\x1b[0m", data={"details": "the key sk-abcdefghijklmnop is not valid"})
    assert failure.text == "no: the key [secret] is not valid"
